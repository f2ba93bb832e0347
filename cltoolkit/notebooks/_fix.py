"""Mends in a notebook what can be mended without running it."""

import hashlib
import io
import os
import tokenize
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ._file import Cell, Finding, Notebook, found, read, text, write
from ._rules import ID, KERNEL, RULES, VIEW, VOLATILE, is_artist, is_bare

__all__ = ["fix", "mend"]

SILENT = (tokenize.ENDMARKER, tokenize.NL, tokenize.NEWLINE, tokenize.COMMENT, tokenize.DEDENT)


def fix(path: str | os.PathLike[str]) -> list[Finding]:
    """Mends a stored notebook, or those in a folder, where that needs no judgment and no kernel.

    Widget state, views without their widget, metadata that change by themselves and empty cells go; cells get ids,
    which depend on their text alone; the kernel becomes python3; a cell that shows the repr of an artist ends in `;`
    and loses that output. What is done again changes nothing. A file that needs nothing is not written.

    Args:
        path: a notebook, or a folder with notebooks at any depth.

    Returns:
        What was found and is no more.

    Raises:
        FileNotFoundError: if there is no such file or folder.
        ValueError: if nbformat is needed and not installed.
    """
    return [finding for file in found(Path(path)) for finding in _fix_one(file)]


def _fix_one(path: Path) -> list[Finding]:
    try:
        notebook = read(path)
    except ValueError:
        return []  # `check` says why
    mended = mend(notebook)
    if mended:
        write(notebook)
    return mended


def mend(notebook: Notebook) -> list[Finding]:
    """Mends a notebook in place; what was found and is no more."""
    return [finding for name, repair in MENDS.items() for finding in _mend(notebook, name, repair)]


def _mend(notebook: Notebook, name: str, repair: Callable[[Notebook], None]) -> list[Finding]:
    before = list(RULES[name].broken(notebook))
    if not before:
        return []
    repair(notebook)
    after = set(RULES[name].broken(notebook))
    return [Finding(notebook.path, cell, name, what, "mended") for cell, what in before if (cell, what) not in after]


def _drop_empty(notebook: Notebook) -> None:
    notebook.cells[:] = [cell for cell in notebook.cells if not is_bare(cell)]


def _drop_widget_state(notebook: Notebook) -> None:
    notebook.metadata.pop("widgets", None)


def _drop_views(notebook: Notebook) -> None:
    """Where a view stands alone there is nothing else to show: it stays."""
    for _, cell in notebook.code():
        for output in cell.get("outputs", []):
            if len(output.get("data", {})) > 1:
                output["data"].pop(VIEW, None)
                output.get("metadata", {}).pop(VIEW, None)


def _drop_volatile(notebook: Notebook) -> None:
    _drop(notebook.metadata, VOLATILE["notebook"])
    _drop(notebook.metadata.get("language_info", {}), ("version",))
    for cell in notebook.cells:
        _drop(cell.get("metadata", {}), VOLATILE["cell"])


def _drop(table: dict[str, Any], keys: tuple[str, ...]) -> None:
    for key in keys:
        table.pop(key, None)


def _name_kernel(notebook: Notebook) -> None:
    notebook.metadata["kernelspec"] = dict(KERNEL)


def _name_cells(notebook: Notebook) -> None:
    """Ids for the cells without a valid one: a hash of their text. Format 4.5 is the first to have them."""
    taken = {cell["id"] for cell in notebook.cells if _has_id(cell)}
    seen: set[str] = set()
    for cell in notebook.cells:
        if not _has_id(cell) or cell["id"] in seen:
            cell["id"] = _free_id(text(cell["source"]), taken)
        seen.add(cell["id"])
        taken.add(cell["id"])
    notebook.data["nbformat_minor"] = max(5, notebook.data.get("nbformat_minor", 0))


def _has_id(cell: Cell) -> bool:
    return isinstance(cell.get("id"), str) and bool(ID.fullmatch(cell["id"]))


def _free_id(source: str, taken: set[str]) -> str:
    names = (hashlib.sha256(f"{k}\n{source}".encode()).hexdigest()[:8] for k in range(len(taken) + 1))
    return next(name for name in names if name not in taken)


def _silence_artists(notebook: Notebook) -> None:
    for _, cell in notebook.code():
        shown = [output for output in cell.get("outputs", []) if is_artist(output)]
        silent = _silenced(text(cell["source"])) if shown else None
        if silent is not None:
            cell["source"] = silent
            cell["outputs"] = [output for output in cell["outputs"] if not is_artist(output)]


def _silenced(source: str) -> str | None:
    """The source with `;` behind its last word, before any comment; None where that is not plain Python."""
    try:
        tokens = list(tokenize.generate_tokens(io.StringIO(source).readline))
    except (tokenize.TokenError, SyntaxError):
        return None
    last = next((token for token in reversed(tokens) if token.type not in SILENT), None)
    if last is None or last.type == tokenize.ERRORTOKEN:
        return None
    lines = source.splitlines(keepends=True)
    row, column = last.end
    if last.string != ";":
        lines[row - 1] = f"{lines[row - 1][:column]};{lines[row - 1][column:]}"
    return "".join(lines)


# What mends which rule. Empty cells go last: the numbers of the others are those of the file as it was.
MENDS: dict[str, Callable[[Notebook], None]] = {
    "widget-state": _drop_widget_state,
    "view": _drop_views,
    "metadata": _drop_volatile,
    "kernel": _name_kernel,
    "artist": _silence_artists,
    "id": _name_cells,
    "empty": _drop_empty,
}
