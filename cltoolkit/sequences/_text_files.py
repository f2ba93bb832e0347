"""Where labelled texts come from: lists, data frames, and files with one JSON object a line."""

import gzip
import json
import os
import sys
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from ..recipes import nearest
from ._codes import Label, shown

__all__ = ["Fields", "Texts", "default_name", "parts_of", "read", "regrouped"]

SUFFIXES = (".jsonl", ".jsonl.gz")
_PARTS = ("train", "test", "validation")
_WORDS = {"train": ("train",), "test": ("test",), "validation": ("validation", "valid", "val", "dev")}


@dataclass(frozen=True)
class Fields:
    """What the columns of a table, or the fields of a line, are called."""

    text: str = "text"
    label: str = "label"


@dataclass(frozen=True)
class Texts:
    """Texts and the original label of each."""

    texts: list[str]
    labels: list[Label]


def parts_of(source: Any) -> dict[str, Any]:
    """The sources of a task's parts; one source is all for training.

    Raises:
        ValueError: if a part is unknown, or there is none for training.
        FileNotFoundError: if a path leads to no files.
    """
    if isinstance(source, Mapping):
        for part in source:
            if part not in _PARTS:
                raise ValueError(f"unknown part {part!r}{nearest(part, _PARTS)}")
        parts = {part: source[part] for part in _PARTS if part in source}
    elif isinstance(source, str | os.PathLike) and not str(source).endswith(SUFFIXES):
        parts = _files(Path(source))
    else:
        parts = {"train": source}
    if "train" not in parts:
        raise ValueError(f"expected texts for training; got the parts {list(parts)}")
    return parts


def _files(stem: Path) -> dict[str, Path]:
    """The files of the parts: `stem.train.jsonl` and the like beside each other, or `stem/train.jsonl` in a folder."""
    base = f"{stem}{os.sep}" if stem.is_dir() else f"{stem}."
    found = {
        part: Path(f"{base}{word}{suffix}")
        for part, words in _WORDS.items()
        for word in reversed(words)
        for suffix in reversed(SUFFIXES)
        if os.path.isfile(f"{base}{word}{suffix}")
    }
    if not found:
        raise FileNotFoundError(
            f"no texts at {stem.absolute()}: expected a file that ends in {' or '.join(SUFFIXES)}, or files "
            f"{base}train.jsonl and {base}test.jsonl"
        )
    return found


def default_name(source: Any) -> str | None:
    """What a task from files is called after; None for other sources."""
    if isinstance(source, Mapping):
        return default_name(source.get("train"))
    if not isinstance(source, str | os.PathLike):
        return None
    path = Path(source)
    name = path.name.split(".")[0]
    return path.absolute().parent.name if name in ("train", "data") else name


def read(source: Any, fields: Fields) -> Texts:
    """The labelled texts of one source.

    Args:
        source: `(texts, labels)`, a data frame, or the path of a .jsonl or .jsonl.gz file.
        fields: what text and label are called, in frames and files.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if something is no text, no label, or cannot be read; it names the line or the row.
    """
    if isinstance(source, str | os.PathLike):
        return _file(Path(source), fields)
    if _is_frame(source):
        missing = [name for name in (fields.text, fields.label) if name not in source.columns]
        if missing:
            raise ValueError(_unnamed("the data frame", missing[0], [str(c) for c in source.columns]))
        return _checked(source[fields.text], source[fields.label], lambda i: f"row {i}")
    if isinstance(source, tuple | list) and len(source) == 2:
        return _checked(source[0], source[1], lambda i: f"text {i}")
    raise ValueError(
        "expected texts as (texts, labels), a data frame, or the path of a .jsonl file; "
        f"got {type(source).__name__}{f' of {len(source)}' if isinstance(source, tuple | list) else ''}"
    )


def _is_frame(source: Any) -> bool:
    """Whether this is a data frame; whoever has one has loaded pandas already."""
    pandas = sys.modules.get("pandas")
    return pandas is not None and isinstance(source, pandas.DataFrame)


def _file(path: Path, fields: Fields) -> Texts:
    if not path.is_file():
        raise FileNotFoundError(f"expected a file of texts; there is none at {path.absolute()}")
    if not path.name.endswith(SUFFIXES):
        raise ValueError(f"expected a file that ends in {' or '.join(SUFFIXES)}; got {path}. {_FORM}")
    try:
        rows = [(number, _row(line, f"{path}, line {number}", fields)) for number, line in _lines(path)]
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise ValueError(f"{path} is damaged ({error}); take it from its source again") from error
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is no UTF-8 text ({error}); save it as such") from error
    numbers = [number for number, _ in rows]
    texts, labels = [row[0] for _, row in rows], [row[1] for _, row in rows]
    return _checked(texts, labels, lambda i: f"{path}, line {numbers[i]}")


_FORM = 'A file of texts has one JSON object a line, such as {"text": "rain again", "label": "weather"}.'


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """The lines that are not blank, with their numbers from 1."""
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rt", encoding="utf-8-sig") as file:
        yield from ((number, line) for number, line in enumerate(file, 1) if line.strip())


def _row(line: str, where: str, fields: Fields) -> tuple[Any, Any]:
    try:
        row = json.loads(line)
    except json.JSONDecodeError as error:
        raise ValueError(f"{where} is no JSON ({error.msg} at column {error.colno}). {_FORM}") from error
    if not isinstance(row, dict):
        raise ValueError(f"{where} holds a {type(row).__name__}. {_FORM}")
    for name in (fields.text, fields.label):
        if name not in row:
            raise ValueError(_unnamed(where, name, list(row)))
    return row[fields.text], row[fields.label]


def _unnamed(where: str, name: str, known: Sequence[str]) -> str:
    return f"{where} has no field {name!r}{nearest(name, known)}. Name the fields with text= and label=."


def _checked(texts: Any, labels: Any, where: Callable[[int], str]) -> Texts:
    if isinstance(texts, str) or isinstance(labels, str):
        raise ValueError("expected a list of texts and a list of labels; got a single string")
    texts, labels = list(texts), [_plain(label) for label in labels]
    if len(texts) != len(labels):
        raise ValueError(f"expected one label for each text; got {len(texts)} texts and {len(labels)} labels")
    if not texts:
        raise ValueError("there are no texts; every part needs at least one")
    for i, (text, label) in enumerate(zip(texts, labels, strict=True)):
        if not isinstance(text, str):
            raise ValueError(f"{where(i)}: expected a text; got {text!r}")
        if not text.strip():
            raise ValueError(f"{where(i)}: the text is empty; leave such examples out")
        if not isinstance(label, int | str):
            raise ValueError(f"{where(i)}: expected a label that is a string or a whole number; got {label!r}")
    return Texts(texts, labels)


def _plain(label: Any) -> Any:
    """A label without numpy's or torch's wrapping."""
    return label.item() if isinstance(label, np.generic | Tensor) else label


def regrouped(data: Texts, groups: Mapping[str, Sequence[Label]]) -> Texts:
    """The same texts, labelled by the group that their label belongs to.

    Raises:
        ValueError: if a label is in no group, or in two.
    """
    group_of: dict[Label, str] = {}
    for group, members in groups.items():
        for label in members:
            if group_of.setdefault(label, group) != group:
                raise ValueError(f"label {label!r} is in two groups, {group_of[label]!r} and {group!r}")
    strange = sorted({label for label in data.labels if label not in group_of}, key=str)
    if strange:
        raise ValueError(f"labels {shown(strange)} are in none of the groups {shown(list(groups))}")
    return replace(data, labels=[group_of[label] for label in data.labels])
