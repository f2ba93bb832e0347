"""Learners compared on sequences, seed by seed: each finished run is written down at once, and not trained again."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol, TypeVar

from ._report import environment, missing_data, store, stored, write_facts

__all__ = ["Compared", "compare"]


class Compared(Protocol):
    """What a study says of itself."""

    @property
    def title(self) -> str: ...
    @property
    def epochs(self) -> int: ...
    @property
    def batch(self) -> int: ...
    @property
    def seeds(self) -> tuple[int, ...]: ...
    @property
    def data(self) -> str: ...
    @property
    def labels(self) -> tuple[str, ...]: ...


S = TypeVar("S", bound=Compared)


def compare(
    kind: str,
    studies: Mapping[str, S],
    names: Iterable[str],
    trained: Callable[[S, str, int, bool], dict[str, Any]],
    text: Callable[[Mapping[str, Any]], str],
    *,
    quick: bool,
    out: Path | None,
) -> None:
    """Runs some studies and stores what came out.

    Args:
        kind: the name of the files.
        studies: all that those files are about, by name.
        names: which to run.
        trained: study, label, seed, quick → one run, in numbers.
        text: all that is stored, in Markdown.
        quick: whether one seed will do.
        out: the folder for results; None for none.
    """
    for name in names:
        study = studies[name]
        if missing := missing_data(study.data):
            print(f"## {study.title}\n\nSkipped: {missing}\n")
            continue
        every = stored(kind, out)
        settings = {"epochs": study.epochs, "batch": study.batch}
        if every.get(name, {}).get("settings") != settings:
            every[name] = {"title": study.title, "settings": settings, "environment": environment(), "runs": {}}
        found = every[name]["runs"]
        for seed in study.seeds[:1] if quick else study.seeds:
            for label in study.labels:
                if str(seed) in found.get(label, {}):
                    continue
                numbers = trained(study, label, seed, quick)
                found.setdefault(label, {})[str(seed)] = numbers
                print(f"{study.title}, {label}, seed {seed}: {write_facts(numbers)}", flush=True)
                if out is not None:
                    ordered = {one: every[one] for one in studies if one in every}
                    store(kind, ordered, text(ordered), out)
