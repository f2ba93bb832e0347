"""The command line: `cltoolkit run`, `resume`, `show`, `audit`, `list`, `notebooks`, `lab`. Lower rooms do the work."""

import argparse
import inspect
import math
import sys
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TextIO, cast, get_args

from .. import learners, networks, sequences
from ..audits import audit
from ..learners import VacuousWarning
from ..records import Run, RunError
from ..tasks import Scenario
from ..training import Settings, resume, train
from ._notebooks import add_lab, add_notebooks
from ._views import save_figures, table
from ._words import Builder, assigned, check_complete, default_word, known, settings

__all__ = ["default_hidden", "main"]

SMALL = 256  # numbers in an input, up to which a small network will do
DEFAULT_NETWORK = f"mlp, with hidden=64,64 for inputs of up to {SMALL} numbers and hidden=400,400 for larger ones"


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command.

    Args:
        argv: the words after `cltoolkit`; those of the process if None.

    Returns:
        The exit status: 0; 1 for an audit that fails and for faulty notebooks; 2 for what cannot be done as asked, said
        in one line on stderr; 130 after Ctrl-C.
    """
    args = _parser().parse_args(argv)
    with warnings.catch_warnings():
        warnings.simplefilter("default", RuntimeWarning)
        warnings.simplefilter("default", VacuousWarning)
        warnings.filterwarnings(
            "ignore", "interrupted after", RuntimeWarning
        )  # said below, with the command that goes on
        warnings.filterwarnings("ignore", "More than 20 figures", RuntimeWarning)
        warnings.showwarning = _show_warning
        try:
            return int(args.command(args))
        except (ValueError, OSError) as error:
            _say(f"cltoolkit {args.name}: {' '.join(str(error).split())}")
            return 2
        except KeyboardInterrupt:
            _say(f"cltoolkit {args.name}: stopped at once; what was saved goes on with: cltoolkit resume DIR")
            return 130


def default_hidden(input_shape: Sequence[int]) -> list[int]:
    """The hidden widths of an mlp where none are set.

    Example:
        >>> default_hidden((1, 8, 8)), default_hidden((1, 28, 28))
        ([64, 64], [400, 400])
    """
    return [64, 64] if math.prod(input_shape) <= SMALL else [400, 400]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="cltoolkit", description="Continual learning: train, go on, show.")
    commands = parser.add_subparsers(title="commands", dest="name", required=True)
    _add_run(commands.add_parser("run", help="train a learner on a sequence of tasks, and keep the Run in a folder"))
    _add_resume(commands.add_parser("resume", help="go on with an interrupted Run, from the very step"))
    _add_show(commands.add_parser("show", help="print a table of Runs, and save their figures"))
    _add_audit(commands.add_parser("audit", help="compute the certificates of a Run again, and say whether they hold"))
    _add_list(commands.add_parser("list", help="list learners, sequences and networks, or the settings of those named"))
    add_notebooks(commands.add_parser("notebooks", help="check and mend stored notebooks; make a student's copy"))
    add_lab(commands.add_parser("lab", help="copy the notebooks beside your work, and open them in JupyterLab"))
    return parser


def _add_run(run: argparse.ArgumentParser) -> None:
    several = "where a name has several meanings, learner.NAME=VALUE, network.NAME=VALUE and so on"
    setting = f"a setting of learner, training, sequence or network, such as epochs=5; {several}"
    run.add_argument("--learner", required=True, metavar="NAME", help="such as hypernet")
    run.add_argument("--sequence", required=True, metavar="NAME", help="such as split_digits")
    run.add_argument(
        "--network", default="mlp", metavar="NAME", help=f"the target network; by default {DEFAULT_NETWORK}"
    )
    run.add_argument("--scenario", metavar="NAME", help="task, domain or class; the sequence's own by default")
    run.add_argument("--seed", type=int, nargs="+", default=[0], help="of everything random; several make several Runs")
    run.add_argument(
        "--out", required=True, type=Path, metavar="DIR", help="the Run's folder; for several seeds, theirs in DIR"
    )
    run.add_argument("--set", dest="pairs", nargs="+", action="extend", default=[], metavar="NAME=VALUE", help=setting)
    run.add_argument("--overwrite", action="store_true", help="delete a Run that lies in DIR already")
    _add_training(run)
    run.set_defaults(command=_run)


def _add_resume(again: argparse.ArgumentParser) -> None:
    again.add_argument("path", type=Path, metavar="DIR", help="the Run's folder, or one that holds several")
    _add_training(again)
    again.set_defaults(command=_resume)


def _add_training(command: argparse.ArgumentParser) -> None:
    command.add_argument("--device", help="such as cpu or cuda:0; by default a GPU if there is one")
    command.add_argument("--quiet", action="store_true", help="no progress bar")


def _add_show(show: argparse.ArgumentParser) -> None:
    show.add_argument("paths", type=Path, nargs="+", metavar="DIR", help="a Run's folder, or one that holds several")
    show.add_argument("--figures", type=Path, metavar="OUT", help="the folder for figures, as PNG")
    show.set_defaults(command=_show)


def _add_audit(check: argparse.ArgumentParser) -> None:
    check.add_argument("paths", type=Path, nargs="+", metavar="DIR", help="a Run's folder, or one that holds several")
    check.add_argument("--device", help="such as cpu or cuda:0; by default a GPU if there is one")
    check.set_defaults(command=_audit)


def _add_list(names: argparse.ArgumentParser) -> None:
    names.add_argument("words", nargs="*", metavar="NAME")
    names.set_defaults(command=_list)


# The commands


def _run(args: argparse.Namespace) -> int:
    method = learners.METHODS[known("learner", args.learner, learners.METHODS)]
    source = known("sequence", args.sequence, sequences.names())
    network = known("network", args.network, networks.names())
    builders = {
        "learner": method,
        "training": Settings,
        "sequence": vars(sequences)[source],
        "network": vars(networks)[network],
    }
    chosen = assigned(args.pairs, builders)
    Settings(**chosen["training"])
    folders = _free_folders(args.out, method.__name__.lower(), args.seed, overwrite=args.overwrite)
    check_complete("sequence", builders["sequence"], chosen["sequence"])
    sequence = sequences.build({"name": source, "arguments": chosen["sequence"]})
    if args.scenario is not None:
        sequence = sequence.as_scenario(cast("Scenario", known("scenario", args.scenario, get_args(Scenario))))
    sizes = {"input_shape": sequence.input_shape, "num_classes": sequence.num_classes}
    if network == "mlp":
        sizes["hidden"] = default_hidden(sequence.input_shape)
    runs = []
    for seed, folder in folders.items():
        learner = method(networks.build({"name": network, "arguments": sizes | chosen["network"]}), **chosen["learner"])
        places = {"seed": seed, "out": folder, "device": args.device, "overwrite": args.overwrite}
        runs.append(train(learner, sequence, **places, **chosen["training"], progress=not args.quiet))
        if runs[-1].status != "finished":
            return _interrupted(runs[-1])
    print(table(runs))
    print(f"saved in {args.out}")
    return 0


def _resume(args: argparse.Namespace) -> int:
    runs = []
    for path in _run_folders([args.path]):
        runs.append(resume(path, device=args.device, progress=not args.quiet))
        if runs[-1].status != "finished":
            return _interrupted(runs[-1])
    print(table(runs))
    return 0


def _show(args: argparse.Namespace) -> int:
    runs = [Run.open(path) for path in _run_folders(args.paths)]
    print(table(runs))
    if args.figures is not None:
        print(f"{save_figures(runs, args.figures)} figures saved in {args.figures}")
    return 0


def _audit(args: argparse.Namespace) -> int:
    """Prints every finding; the status is 1 if one does not hold."""
    audits = [audit(path, device=args.device) for path in _run_folders(args.paths)]
    for each in audits:
        print(each.to_frame().to_string(index=False, float_format=lambda value: f"{value:.6g}"))
        print(each)
    return 0 if all(audits) else 1


def _list(args: argparse.Namespace) -> int:
    kinds: dict[str, dict[str, Builder]] = {
        "learners": {name.lower(): method for name, method in learners.METHODS.items()},
        "sequences": {name: vars(sequences)[name] for name in sequences.names()},
        "networks": {name: vars(networks)[name] for name in networks.names()},
    }
    every = [name for builders in kinds.values() for name in builders]
    wanted = [known("name", word, every) for word in args.words]
    width = max(map(len, every))
    for kind, builders in kinds.items():
        shown = {name: build for name, build in builders.items() if name in wanted or not wanted}
        if shown:
            print(kind)
        for name, build in shown.items():
            print(f"  {name:{width}}  {(inspect.getdoc(build) or '').splitlines()[0]}")
            for setting in settings(build) if wanted else ():
                print(f"  {'':{width}}    {setting}={default_word(build, setting)}")
    return 0


def _interrupted(run: Run) -> int:
    """Says how to go on."""
    _say(f"interrupted with {run.num_tasks} of {run.T} tasks learned; go on with: cltoolkit resume {run.path}")
    return 130


# Folders and lines


def _free_folders(out: Path, learner: str, seeds: Sequence[int], *, overwrite: bool) -> dict[int, Path]:
    """A folder for each seed: `out` for one, folders in it for several; none in use unless it is to be deleted."""
    folders = {seed: out if len(seeds) == 1 else out / f"{learner}-{seed}" for seed in seeds}
    if len(folders) > 1 and (out / "run.json").exists():
        raise FileExistsError(f"{out} is a Run, and several seeds need a folder for several Runs; choose another --out")
    for folder in folders.values():
        if not overwrite and folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise FileExistsError(
                f"{folder} exists and is not empty; go on with: cltoolkit resume {folder}, "
                "or choose another --out, or have the Run in it deleted by --overwrite"
            )
    return folders


def _run_folders(paths: Iterable[Path]) -> list[Path]:
    """The Runs among `paths`, and the Runs in those that are none themselves."""
    found = []
    for path in paths:
        if not path.is_dir() or (path / "run.json").exists():
            found.append(path)
            continue
        inner = sorted(file.parent for file in path.glob("*/run.json"))
        if not inner:
            raise RunError(f"no run at {path}: neither it nor a folder in it holds a run.json")
        found += inner
    return found


def _say(line: str) -> None:
    print(line, file=sys.stderr)


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """A warning as a person wants to read it: without the place in the code."""
    _say(f"warning: {message}")
