"""Checks notebooks against the rules, without running them unless asked to."""

import json
import os
from collections.abc import Collection, Iterator
from datetime import datetime
from pathlib import Path

from ..recipes import nearest
from ._file import Finding, Notebook, found, read
from ._rules import RULES

__all__ = ["check"]

TIME = "run less, or open a stored Run instead of training"
FILE = "save it again from JupyterLab"
NAMES = (*RULES, "time", "file")


def check(
    path: str | os.PathLike[str], *, budget: float | None = None, execute: bool = False, skip: Collection[str] = ()
) -> list[Finding]:
    """What is wrong with a stored notebook, or with those in a folder.

    Args:
        path: a notebook, or a folder with notebooks at any depth.
        budget: seconds that one notebook may take: by the times its front end stored, or as measured by `execute`.
        execute: whether to run a copy of it, in its folder, for times and errors. That runs whatever code it holds.
        skip: names of rules to leave out.

    Returns:
        The findings, by file and then by rule; none for notebooks that are as they should be.

    Raises:
        FileNotFoundError: if there is no such file or folder.
        ValueError: if a rule to skip has no such name, or nbclient is needed and not installed.

    Example:
        >>> import tempfile, pathlib
        >>> path = pathlib.Path(tempfile.mkdtemp(), "one.ipynb")
        >>> cell = '{"cell_type": "markdown", "id": "a", "metadata": {}, "source": ""}'
        >>> _ = path.write_text('{"cells": [%s], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}' % cell)
        >>> [(finding.cell, finding.rule, finding.what) for finding in check(path)]
        [(1, 'empty', 'is empty'), (None, 'kernel', 'names no kernel')]
    """
    for name in skip:
        if name not in NAMES:
            raise ValueError(f"there is no rule {name!r}{nearest(name, NAMES)}")
    return [
        finding
        for file in found(Path(path))
        for finding in _findings(file, budget, execute=execute)
        if finding.rule not in skip
    ]


def _findings(path: Path, budget: float | None, *, execute: bool) -> Iterator[Finding]:
    try:
        notebook = read(path)
    except ValueError as error:
        yield Finding(path, None, "file", str(error).removeprefix(f"{path} "), FILE)
        return
    for name, rule in RULES.items():
        for cell, what in rule.broken(notebook):
            yield Finding(path, cell, name, what, rule.advice)
    if execute:
        notebook, failure = _executed(notebook)
        if failure:
            yield Finding(path, None, "error", f"does not run: {failure}", RULES["error"].advice)
    if budget is not None and (late := _late(notebook, budget)):
        yield Finding(path, None, "time", late, TIME)


def _late(notebook: Notebook, budget: float) -> str:
    """What a notebook took if that is more than it may, and which cells took most of it."""
    times = sorted(((seconds, number) for number, seconds in _seconds(notebook).items()), reverse=True)
    total = sum(seconds for seconds, _ in times)
    if total <= budget:
        return ""
    longest = ", ".join(f"cell {number} took {seconds:.1f} s" for seconds, number in times[:3])
    return f"took {total:.1f} s, more than {budget:g}: {longest}"


def _seconds(notebook: Notebook) -> dict[int, float]:
    """The recorded time of each cell that has one."""
    seconds = {}
    for number, cell in notebook.code():
        times = cell.get("metadata", {}).get("execution", {})
        try:
            begin = datetime.fromisoformat(times["iopub.execute_input"])
            seconds[number] = (datetime.fromisoformat(times["shell.execute_reply"]) - begin).total_seconds()
        except (KeyError, TypeError, ValueError):
            continue
    return seconds


def _executed(notebook: Notebook) -> tuple[Notebook, str]:
    """A copy of a notebook that has just run, and in which error it ended."""
    try:
        from nbclient import NotebookClient
        from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
        from nbformat import v4
    except ImportError:
        raise ValueError("running notebooks needs nbclient: python -m pip install 'cltoolkit[notebooks]'") from None
    copy, failure = v4.reads(json.dumps(notebook.data)), ""
    place = {"metadata": {"path": str(notebook.path.parent)}}
    client = NotebookClient(copy, timeout=600, record_timing=True, resources=place)
    try:
        client.execute()
    except CellExecutionError as error:
        failure = f"{error.ename}: {error.evalue}"
    except (CellTimeoutError, DeadKernelError) as error:
        failure = str(error).splitlines()[0]
    return Notebook(notebook.path, copy), failure
