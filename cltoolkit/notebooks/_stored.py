"""The notebooks of cltoolkit and the files they open, wherever it is installed, and copies of them to work in."""

import os
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Literal

from ..files import write_atomically

__all__ = ["TOUR", "Copied", "copy_stored", "stored"]

TOUR = Path("notebooks/00_tour.ipynb")
WANTED = ("notebooks/*.ipynb", "data/runs/**/*", "benchmarks/results/guidance.json")  # and what they open


@dataclass(frozen=True)
class Copied:
    """What became of one file.

    Args:
        path: the file in the user's folder; for one written beside theirs, that one.
        state: `new`, and written; `same` as what is there; `kept`, since theirs differs; `beside`, written next to it.
    """

    path: Path
    state: Literal["new", "same", "kept", "beside"]


def stored() -> Path:
    """The folder that holds `notebooks/` and what they open: in the package, or the repository around it.

    Raises:
        FileNotFoundError: if this installation has none.
    """
    package = Path(str(resources.files(__package__)))
    for root in (package / "stored", package.parents[1]):
        if (root / TOUR).is_file():
            return root
    raise FileNotFoundError("this installation of cltoolkit holds no notebooks; install it again from its wheel")


def copy_stored(folder: str | os.PathLike[str], *, fresh: bool = False) -> list[Copied]:
    """Copies the notebooks, and the Runs they open, into a folder. A file that is there is never written.

    Args:
        folder: the user's; it gets `notebooks/`, `data/runs/` and so on, and is made if need be.
        fresh: whether a notebook that differs from what is there is written beside it, as NAME-1.ipynb.

    Returns:
        What became of each file.

    Raises:
        FileNotFoundError: if this installation has no notebooks.
    """
    root, target = stored(), Path(folder)
    if target.resolve() == root.resolve():
        return []
    files = sorted(file for pattern in WANTED for file in root.glob(pattern) if file.is_file())
    return [_copy(file, target / file.relative_to(root), fresh=fresh) for file in files]


def _copy(source: Path, target: Path, *, fresh: bool) -> Copied:
    data = source.read_bytes()
    if not target.exists():
        write_atomically(target, data)
        return Copied(target, "new")
    if target.read_bytes() == data:
        return Copied(target, "same")
    if fresh and target.suffix == ".ipynb":
        return _beside(target, data)
    return Copied(target, "kept")


def _beside(target: Path, data: bytes) -> Copied:
    """Under the first free name, or the one that holds it already."""
    number = 1
    while True:
        path = target.with_name(f"{target.stem}-{number}{target.suffix}")
        if not path.exists():
            write_atomically(path, data)
            return Copied(path, "beside")
        if path.read_bytes() == data:
            return Copied(path, "beside")
        number += 1
