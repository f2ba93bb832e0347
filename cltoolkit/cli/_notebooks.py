"""The commands about notebooks: check and mend them, make the student's copy of a lesson, open ours in JupyterLab."""

import argparse
import os
import subprocess
import sys
from collections import Counter
from importlib.util import find_spec
from pathlib import Path

from .. import notebooks
from ..notebooks import Copied

__all__ = ["add_lab", "add_notebooks"]

INSTALL = f"{sys.executable} -m pip install 'cltoolkit[notebooks]'"


def add_notebooks(parser: argparse.ArgumentParser) -> None:
    commands = parser.add_subparsers(title="commands", dest="inner", required=True)
    _add_check(commands.add_parser("check", help="say what is wrong with stored notebooks; status 1 if anything is"))
    _add_student(commands.add_parser("student", help="write the student's copy of a lesson, without its solutions"))


def _add_check(check: argparse.ArgumentParser) -> None:
    check.add_argument("paths", type=Path, nargs="*", default=[Path()], metavar="PATH", help="a notebook, or a folder")
    check.add_argument("--fix", action="store_true", help="first mend what needs no judgment")
    check.add_argument("--budget", type=float, metavar="SECONDS", help="that one notebook may take, as recorded")
    check.add_argument("--execute", action="store_true", help="run a copy, for the times and errors of now")
    check.add_argument("--skip", nargs="+", default=[], metavar="RULE", help="rules to leave out, such as size")
    check.set_defaults(command=_check)


def _add_student(student: argparse.ArgumentParser) -> None:
    student.add_argument("source", type=Path, metavar="SOURCE", help="the teacher's notebook")
    student.add_argument("--out", type=Path, metavar="FILE", help="the copy; by default SOURCE_student.ipynb")
    student.add_argument("--overwrite", action="store_true", help="replace a copy that differs")
    student.set_defaults(command=_student)


def add_lab(lab: argparse.ArgumentParser) -> None:
    lab.add_argument(
        "folder",
        type=Path,
        nargs="?",
        default=Path(),
        metavar="DIR",
        help="gets notebooks/; the current one by default",
    )
    lab.add_argument("--fresh", action="store_true", help="write notebooks that differ from yours beside them")
    lab.add_argument("--no-browser", action="store_true", help="open no browser; JupyterLab says where it is")
    lab.add_argument("--port", type=int, help="the port; by default the first that is free from 8888 on")
    lab.add_argument("--allow-root", action="store_true", help="let root run it, as in a container")
    lab.set_defaults(command=_lab)


def _check(args: argparse.Namespace) -> int:
    if args.fix:
        for finding in (finding for path in args.paths for finding in notebooks.fix(path)):
            print(finding)
    findings = [
        finding
        for path in args.paths
        for finding in notebooks.check(path, budget=args.budget, execute=args.execute, skip=args.skip)
    ]
    for finding in findings:
        print(finding)
    return 1 if findings else 0


def _student(args: argparse.Namespace) -> int:
    print(notebooks.student(args.source, args.out, overwrite=args.overwrite))
    return 0


def _lab(args: argparse.Namespace) -> int:
    if find_spec("jupyterlab") is None:
        raise ValueError(f"JupyterLab is not installed; install it: {INSTALL}")
    _tell(notebooks.copy_stored(args.folder, fresh=args.fresh))
    return _run(_words(args))


def _tell(copied: list[Copied]) -> None:
    """What became of the files: how many were written, and by name what was there and differs."""
    counts = Counter(each.state for each in copied)
    if counts["new"]:
        print(f"wrote {counts['new']} files")
    for each in copied:
        if each.state == "kept":
            print(f"kept your {each.path}, which differs from ours; --fresh writes ours beside it")
        elif each.state == "beside":
            print(f"ours is {each.path}; yours is as it was")


def _words(args: argparse.Namespace) -> list[str]:
    """JupyterLab's command line: loopback alone, and a token, which it makes by itself."""
    folder = args.folder.resolve()
    words = [sys.executable, "-m", "jupyterlab", "--ip=127.0.0.1", f"--ServerApp.root_dir={folder}"]
    words += ["--no-browser"] if args.no_browser else []
    words += ["--allow-root"] if args.allow_root else []
    words += [f"--port={args.port}", "--port-retries=0"] if args.port is not None else []
    return [*words, f"--LabApp.default_url=/lab/tree/{notebooks.TOUR.as_posix()}"]


def _run(words: list[str]) -> int:
    """Becomes JupyterLab, so that Ctrl-C and signals are its own; Windows has no such thing."""
    sys.stdout.flush()
    if sys.platform != "win32":
        os.execv(words[0], words)
    return subprocess.call(words)
