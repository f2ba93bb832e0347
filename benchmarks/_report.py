"""What a benchmark found, as a table and as a file."""

import json
import os
import platform
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from ._timing import Spread, Times, compare, spread

__all__ = [
    "HERE",
    "Result",
    "Row",
    "copy_into_readme",
    "environment",
    "missing_data",
    "ratio",
    "save",
    "seconds",
    "store",
    "stored",
    "table",
    "write_facts",
]

HERE = Path(__file__).parent
BEGIN, END = "<!-- results: written by `python -m benchmarks` -->", "<!-- end of results -->"


@dataclass(frozen=True)
class Row:
    """One finding.

    Attributes:
        what: what was measured.
        against: what it is divided by; empty where the value is in seconds.
        value: the ratio, or the seconds, with quartiles.
        unit: "×" or "s".
        at_most: the bar, where smaller is better.
        at_least: the bar, where larger is better.
        medians: median seconds of one call, of `what` and of `against`.
    """

    what: str
    against: str
    value: Spread
    unit: str = "×"
    at_most: float | None = None
    at_least: float | None = None
    medians: tuple[float, ...] = ()

    @property
    def met(self) -> bool | None:
        """Whether the bar is met; None without a bar."""
        if self.at_most is not None:
            return self.value.median <= self.at_most
        return None if self.at_least is None else self.value.median >= self.at_least


@dataclass
class Result:
    """What one benchmark found, under which settings."""

    name: str
    title: str
    rows: list[Row] = field(default_factory=list)
    settings: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    skipped: str = ""


def missing_data(folder: str) -> str:
    """What is to be done before an experiment that needs `folder` of downloaded data; empty if nothing."""
    if not folder or (Path(os.environ.get("CLTOOLKIT_DATA", "")) / folder).is_dir():
        return ""
    return f"set CLTOOLKIT_DATA to a folder with {folder}, in torchvision's layout"


def ratio(
    times: Times,
    what: str,
    against: str,
    *,
    label: str = "",
    at_most: float | None = None,
    at_least: float | None = None,
) -> Row:
    """The row that says how much longer `what` takes than `against`."""
    medians = (spread(times[what]).median, spread(times[against]).median)
    return Row(label or what, against, compare(times, what, against), "×", at_most, at_least, medians)


def seconds(what: str, values: Sequence[float], *, at_most: float | None = None) -> Row:
    """The row that says how long something takes."""
    return Row(what, "", spread(values), "s", at_most)


def environment() -> dict[str, Any]:
    """Versions, kind of processor and threads."""
    names = ("cltoolkit", "hypnettorch", "numpy", "torch")
    return {
        "python": platform.python_version(),
        **{name: _version(name) for name in names},
        "processor": f"{os.cpu_count()}-core {platform.machine()} CPU",
        "threads": torch.get_num_threads(),
    }


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def table(result: Result) -> str:
    """The rows in Markdown, or why there are none."""
    if result.skipped:
        return f"Skipped: {result.skipped}"
    lines = ["| what | against | value | quartiles | bar | medians |", "|---|---|---|---|---|---|"]
    lines += [f"| {' | '.join(_cells(row))} |" for row in result.rows]
    return "\n".join([*lines, *(f"\n{note}" for note in result.notes)])


def _cells(row: Row) -> list[str]:
    value, digits = row.value, 2 if row.value.median < 10 else 1
    quartiles = f"{value.low:.{digits}f} to {value.high:.{digits}f}"
    medians = " : ".join(f"{1000 * s:.3g} ms" if s < 1 else f"{s:.2f} s" for s in row.medians)
    return [row.what, row.against, f"**{value.median:.{digits}f} {row.unit}**", quartiles, _bar(row), medians]


def _bar(row: Row) -> str:
    if row.met is None:
        return ""
    bar = f"≤ {row.at_most:g}" if row.at_most is not None else f"≥ {row.at_least:g}"
    return f"{bar} {row.unit}: {'met' if row.met else '**not met**'}"


def save(result: Result, folder: Path) -> None:
    """Writes `<name>.json` and `<name>.md`; a skipped benchmark leaves what an earlier run has written."""
    if result.skipped:
        return
    where = environment()
    text = f"# {result.title}\n\n{table(result)}\n\n{write_facts(result.settings | where)}\n"
    store(result.name, asdict(result) | {"environment": where}, text, folder)


def store(name: str, facts: Mapping[str, Any], text: str, folder: Path) -> None:
    """Writes `<name>.json`, and `<name>.md` for people."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.json").write_text(json.dumps(facts, indent=1, ensure_ascii=False) + "\n", "utf-8")
    (folder / f"{name}.md").write_text(text, "utf-8")


def stored(name: str, folder: Path | None) -> dict[str, Any]:
    """What an earlier run has written under a name."""
    path = None if folder is None else folder / f"{name}.json"
    return json.loads(path.read_text("utf-8")) if path is not None and path.exists() else {}


def write_facts(facts: Mapping[str, Any]) -> str:
    """Settings in one line."""
    return ", ".join(f"{name} {value}" for name, value in facts.items())


def copy_into_readme(folder: Path, names: Sequence[str]) -> None:
    """Puts the saved tables, in this order, between the two marks of the README."""
    readme = HERE / "README.md"
    saved = [folder / f"{name}.md" for name in names]
    text = "\n".join(re.sub(r"(?m)^#", "##", path.read_text("utf-8")) for path in saved if path.exists())
    before, _, rest = readme.read_text("utf-8").partition(BEGIN)
    after = rest.partition(END)[2]
    readme.write_text(f"{before}{BEGIN}\n\n{text}\n{END}{after}", "utf-8")
