"""The report itself: what stands in it, in which order, and in which format it is written."""

import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from ..files import write_atomically
from ..groups import Given, Group, grouped, opened
from ..tasks import TaskSequence
from ._document import Block, Section, Text
from ._html import html
from ._latex import latex
from ._made import cost_section, environment_section, settings_section
from ._markdown import markdown
from ._pictures import (
    certificate_section,
    curve_section,
    geometry_section,
    mask_section,
    matrix_section,
    task_section,
)
from ._results import difference_section, result_section
from ._values import Reference, Values, collected
from ._words import count, these

__all__ = ["report"]

WRITERS: dict[str, Callable[[str, Sequence[Block], Sequence[Section]], str]] = {
    ".html": html,
    ".md": markdown,
    ".tex": latex,
}


def report(
    runs: Given | Iterable[Given],
    path: str | os.PathLike[str],
    *,
    title: str = "Continual learning, run by run",
    measures: Sequence[str] | None = None,
    single: Reference = None,
    joint: Reference = None,
    sequence: TaskSequence | None = None,
    level: float = 0.95,
) -> Path:
    r"""Writes what Runs add up to into one file: tables over seeds, differences, settings, pictures, cost.

    The suffix of `path` chooses the format. ".html" is one page with everything, which opens without a network; ".md"
    holds the tables in GitHub's Markdown; ".tex" holds them in LaTeX, compiles by itself, and needs no packages beyond
    LaTeX's own. The same Runs give the same bytes.

    Runs that agree in everything but the seed are put together; two configurations of one learner stay apart, and so
    do a finished Run and one under way. What is not there (embeddings, certificates, masks, a second seed) is left out.

    Args:
        runs: one Run or many, of several learners and seeds, finished or not; or their folders.
        path: the file to write, replaced as a whole or not at all; folders that are not there yet are made.
        title: its heading.
        measures: names of `metrics.table`, the columns of the results; by default acc, bwt, forgetting, fwt, and those
            whose reference is known.
        single: `(T,)`, each task learned alone, or a Run of Separate, for plasticity gain; by default the Run of
            Separate of the same seed, if it is among `runs`.
        joint: `(T,)`, or a Run of Joint, for intransigence; by default that of the same seed, if it is among `runs`.
        sequence: the tasks, if they are images and examples of them are to be shown.
        level: of the intervals in tables. Those in pictures are 95 % intervals.

    Returns:
        The file.

    Raises:
        ValueError: if the suffix is unknown, no run came, a measure is unknown, or a shape is wrong; before any work.
        TypeError: if something came that is no Run.
        RunError: if a folder holds no Run.

    Example:
        >>> import tempfile
        >>> import numpy as np
        >>> from cltoolkit import Run
        >>> from cltoolkit.reports import report
        >>> def run(seed, end):
        ...     accuracy = np.array([[0.5, 0.5], [1.0, 0.5], [end, 1.0]])
        ...     return Run(accuracy, {"learner": {"name": "Finetune"}, "seed": seed})
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     file = report([run(0, 0.7), run(1, 0.8)], f"{folder}/report.md", measures=["acc"])
        ...     print("\n".join(file.read_text(encoding="utf-8").splitlines()[10:13]))
        | learner | acc ↑ | seeds |
        | :--- | ---: | ---: |
        | Finetune | 0.875 ± 0.318 | 2 |
    """
    file = Path(path)
    writer = _writer(file)
    groups = grouped(opened(runs))
    values = collected(groups, measures, single=single, joint=joint, level=level)
    sections = _sections(values, sequence)
    text = writer(title, [Text(_lead(groups))], sections if file.suffix == ".html" else _in_words(sections))
    write_atomically(file, text.encode("utf-8", errors="replace"))  # a lone surrogate has no bytes
    return file


def _writer(file: Path) -> Callable[[str, Sequence[Block], Sequence[Section]], str]:
    if file.suffix not in WRITERS:
        raise ValueError(
            f"expected a path that ends in {', '.join(WRITERS)}, which chooses the format; got {file.name!r}"
        )
    return WRITERS[file.suffix]


def _sections(values: Values, sequence: TaskSequence | None) -> list[Section]:
    """What there is, in order."""
    groups = values.groups
    found = [
        result_section(values),
        difference_section(values),
        settings_section(groups),
        task_section(sequence),
        matrix_section(groups),
        curve_section(values),
        geometry_section(groups),
        certificate_section(groups),
        mask_section(groups),
        cost_section(groups),
        environment_section(groups),
    ]
    return [section for section in found if section is not None]


def _in_words(sections: Sequence[Section]) -> list[Section]:
    """The sections without pictures, and without those that were nothing else."""
    found = [section.without_pictures() for section in sections]
    return [section for section in found if section.blocks]


def _lead(groups: Sequence[Group]) -> str:
    runs = [run for group in groups for run in group.runs]
    seeds = sorted({run.seed for run in runs})
    what = list(dict.fromkeys(f"{group.sequence}, {count(group.first.T, 'task')}" for group in groups))
    return (
        f"{count(len(runs), 'Run')} of {count(len(groups), 'learner')} "
        f"({these([group.label for group in groups], 12)}) on {these(what)}; "
        f"{'seed' if len(seeds) == 1 else 'seeds'} {these(list(map(str, seeds)), 12)}."
    )
