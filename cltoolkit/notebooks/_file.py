"""A notebook's file, read as it stands (nbformat mends what it reads) and written as nbformat writes it."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..files import write_atomically

__all__ = ["Cell", "Finding", "Notebook", "dump", "found", "read", "text", "write"]

Cell = dict[str, Any]


@dataclass(frozen=True)
class Finding:
    """Something wrong with a notebook.

    Args:
        path: the notebook.
        cell: which cell, counted from 1, text cells too; None for the notebook as a whole.
        rule: the name of the rule it breaks.
        what: what is there.
        advice: what to do about it.
    """

    path: Path
    cell: int | None
    rule: str
    what: str
    advice: str

    def __str__(self) -> str:
        place = f"{self.path}:" if self.cell is None else f"{self.path}:{self.cell}:"
        return f"{place} {self.rule}: {self.what}; {self.advice}"


@dataclass(frozen=True)
class Notebook:
    """A notebook as JSON has it; whoever changes it changes `data`."""

    path: Path
    data: dict[str, Any]

    @property
    def metadata(self) -> dict[str, Any]:
        return self.data.setdefault("metadata", {})

    @property
    def cells(self) -> list[Cell]:
        return self.data["cells"]

    @property
    def is_python(self) -> bool:
        """Whether its code is Python; so it is where nothing is said."""
        named = [self.metadata.get(key, {}) for key in ("kernelspec", "language_info")]
        languages = [named[0].get("language"), named[1].get("name")]
        return all(language in (None, "python", "ipython") for language in languages)

    def code(self) -> Iterator[tuple[int, Cell]]:
        """The code cells and their numbers."""
        return ((number, cell) for number, cell in enumerate(self.cells, 1) if cell["cell_type"] == "code")


def found(path: Path | str) -> list[Path]:
    """The notebooks that a path means: itself, or those below a folder.

    Raises:
        FileNotFoundError: if there is no such file or folder.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"expected a notebook or a folder; there is no {path}")
    if path.is_file():
        return [path]
    inside = (file for file in path.rglob("*.ipynb") if file.is_file())
    return sorted(file for file in inside if not any(part.startswith(".") for part in file.relative_to(path).parts))


def read(path: Path | str) -> Notebook:
    """Reads a notebook.

    Raises:
        ValueError: if the file is no notebook of format 4.
    """
    path = Path(path)
    try:
        data = json.loads(path.read_bytes())
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ValueError(f"{path} is no notebook: {error}") from None
    if not isinstance(data, dict) or "nbformat" not in data:
        raise ValueError(f"{path} is no notebook: it has no nbformat")
    if data["nbformat"] != 4:
        raise ValueError(f"{path} has format {data['nbformat']}; make it 4: jupyter nbconvert --to notebook --inplace")
    if not _is_whole(data):
        raise ValueError(f"{path} is no notebook: a part of it lacks its type, or has another")
    return Notebook(path, data)


def dump(notebook: Notebook) -> bytes:
    """A notebook as nbformat formats it.

    Raises:
        ValueError: if nbformat is not installed.
    """
    try:
        from nbformat import from_dict, v4
    except ImportError:
        raise ValueError("writing notebooks needs nbformat: python -m pip install 'cltoolkit[notebooks]'") from None
    return (v4.writes(from_dict(notebook.data)).rstrip("\n") + "\n").encode()


def write(notebook: Notebook) -> None:
    """Writes a notebook, whole or not at all; where its path is a link, to where that leads."""
    write_atomically(notebook.path.resolve(), dump(notebook))


def text(value: Any) -> str:
    """A text as notebooks keep it: in one piece, or in a list of lines."""
    return value if isinstance(value, str) else "".join(value) if _is_text(value) else ""


def _is_whole(data: dict[str, Any]) -> bool:
    """Whether the parts that the rules look at have the types they should have."""
    metadata = data.get("metadata", {})
    tables = _is_table(metadata) and _has_tables(metadata, "kernelspec", "language_info")
    return tables and isinstance(data.get("cells"), list) and all(map(_is_cell, data["cells"]))


def _is_cell(cell: Any) -> bool:
    if not _is_table(cell) or not isinstance(cell.get("cell_type"), str) or not _is_text(cell.get("source")):
        return False
    metadata, outputs = cell.get("metadata", {}), cell.get("outputs", [])
    if not _is_table(metadata) or not _has_tables(metadata, "execution", "jupyter"):
        return False
    return _is_list(metadata.get("tags", [])) and _is_list(outputs) and all(map(_is_output, outputs))


def _is_output(output: Any) -> bool:
    return _is_table(output) and isinstance(output.get("output_type"), str) and _has_tables(output, "data", "metadata")


def _has_tables(table: dict[str, Any], *keys: str) -> bool:
    return all(_is_table(table.get(key, {})) for key in keys)


def _is_text(value: Any) -> bool:
    return isinstance(value, str) or (_is_list(value) and all(isinstance(line, str) for line in value))


def _is_list(value: Any) -> bool:
    return isinstance(value, list)


def _is_table(value: Any) -> bool:
    return isinstance(value, dict)
