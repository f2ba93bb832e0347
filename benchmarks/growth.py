"""How a HyperNet training step grows with the number of earlier tasks."""

from collections.abc import Callable
from typing import Any

import torch

from cltoolkit.hypernetworks import OutputRegularizer

from ._report import Result, Row, ratio
from ._subjects import FULL, LARGE, SMALL, TINY, Subject, hypernet, hypernet_step
from ._timing import take_turns


def run(quick: bool = False) -> Result:
    """Whole steps at default settings and with all tasks compared; the regularizer alone, in its two exact forms."""
    subjects, turns, few, many = ((TINY,), 2, 1, 3) if quick else ((LARGE, SMALL), 15, 10, 100)
    rows = [row for subject in subjects for row in _steps(subject, few, many, turns)]
    for label, settings in {"chunked 64-64": {}, "full 75-75": FULL}.items():
        rows += _forms(subjects[0], label, settings, (few, many), max(turns // 2, 2))
    drawn = hypernet(subjects[-1], 0).max_tasks
    return Result(
        "growth",
        "Growth with the number of earlier tasks",
        rows,
        {"turns": turns},
        [
            f"By default a step compares at most {drawn} earlier tasks, and all have their turn; `max_tasks=None` "
            "compares all of them in each step, in the cheaper of the two exact forms. The last rows are forward and "
            f"backward of the regularizer alone, for {subjects[0]}."
        ],
    )


def _steps(subject: Subject, few: int, many: int, turns: int) -> list[Row]:
    """Whole steps against one with few earlier tasks."""
    every = {f"{subject}: {n} earlier tasks": hypernet_step(subject, n) for n in sorted({1, few, 50, many})}
    exact = {f"{subject}: {n}, all compared": hypernet_step(subject, n, max_tasks=None) for n in (50, many)}
    times = take_turns(every | exact, turns=turns, block=0.05)
    base = f"{subject}: {few} earlier tasks"
    bars = {f"{subject}: {many} earlier tasks": 1.3}
    return [ratio(times, name, base, at_most=bars.get(name)) for name in times if name != base]


def _forms(subject: Subject, label: str, settings: dict[str, Any], counts: tuple[int, ...], turns: int) -> list[Row]:
    """The Gram form against the batched one."""
    calls = {
        f"{label}: {form}, {n} tasks": _regularizer(subject, n, form, settings)
        for n in counts
        for form in ("batched", "Gram")
    }
    times = take_turns(calls, turns=turns, block=0.05)
    return [ratio(times, f"{label}: Gram, {n} tasks", f"{label}: batched, {n} tasks") for n in counts]


def _regularizer(subject: Subject, tasks: int, form: str, settings: dict[str, Any]) -> Callable[[], object]:
    """Forward and backward of the regularizer over all tasks, in one form."""
    network = hypernet(subject, 0, **settings).hypernet
    embeddings = torch.randn(tasks, network.embedding_dim, generator=torch.Generator().manual_seed(0))
    regularizer = OutputRegularizer(network, embeddings, form=form.lower(), max_tasks=None)

    def call() -> None:
        network.zero_grad()
        regularizer.penalty(network).backward()

    return call
