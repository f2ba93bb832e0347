"""How a HyperNet training step grows with the number of earlier tasks."""

from collections.abc import Callable

import torch

from cltoolkit.hypernetworks import OutputRegularizer

from ._report import Result, Row, ratio
from ._subjects import BATCH, FULL, hypernet, hypernet_step, sizes
from ._timing import take_turns


def run(quick: bool = False) -> Result:
    """Whole steps at default settings and with all tasks compared; the regularizer alone, in its two exact forms."""
    turns, few, many = (2, 1, 3) if quick else (15, 10, 100)
    rows = _steps((1, few, 50, many), few, many, turns, quick)
    for label, settings in {"chunked 64-64": {}, "full 75-75": FULL}.items():
        rows += _forms(label, settings, (few, many), max(turns // 2, 2), quick)
    return Result(
        "growth",
        "Growth with the number of earlier tasks",
        rows,
        {"target": f"MLP 784-{'-'.join(map(str, sizes(quick)))}-2", "batch": BATCH, "turns": turns},
        [
            "By default a step compares at most 16 earlier tasks, dealt out so that all have their turn; `max_tasks=None` compares "
            "all, in the cheaper of the two exact forms. The last rows are forward and backward of the regularizer "
            "alone."
        ],
    )


def _steps(counts: tuple[int, ...], few: int, many: int, turns: int, quick: bool) -> list[Row]:
    calls = {f"step, {n} earlier tasks": hypernet_step(n, quick=quick) for n in sorted(set(counts))}
    calls |= {f"step, all of {n} earlier tasks": hypernet_step(n, quick=quick, max_tasks=None) for n in (few, many)}
    times = take_turns(calls, turns=turns, block=0.001 if quick else 0.1)
    base = f"step, {few} earlier tasks"
    bars = {f"step, {many} earlier tasks": 1.3}
    return [ratio(times, name, base, at_most=bars.get(name)) for name in calls if name != base]


def _forms(label: str, settings: dict[str, object], counts: tuple[int, ...], turns: int, quick: bool) -> list[Row]:
    calls = {
        f"{label}: {form}, {n} tasks": _regularizer(n, form, quick, settings)
        for n in counts
        for form in ("batched", "Gram")
    }
    times = take_turns(calls, turns=turns, block=0.001 if quick else 0.1)
    return [ratio(times, f"{label}: Gram, {n} tasks", f"{label}: batched, {n} tasks") for n in counts]


def _regularizer(tasks: int, form: str, quick: bool, settings: dict[str, object]) -> Callable[[], object]:
    """Forward and backward of the regularizer over all tasks, in one form."""
    network = hypernet(0, quick=quick, **settings).hypernet
    embeddings = torch.randn(tasks, network.embedding_dim, generator=torch.Generator().manual_seed(0))
    regularizer = OutputRegularizer(network, embeddings, form=form.lower(), max_tasks=None)

    def call() -> None:
        network.zero_grad()
        regularizer.penalty(network).backward()

    return call
