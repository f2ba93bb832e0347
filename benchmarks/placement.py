"""How long it takes to find an H-embedding, and how well its distances are met."""

from collections.abc import Callable

import torch

from cltoolkit.embeddings import Placement, place, target_distances

from ._report import Result, Row, ratio
from ._timing import spread, take_turns

DIM = 32
BOUND = 20  # earlier tasks up to which the bar of 50 ms holds


def run(quick: bool = False) -> Result:
    """Both solvers, by the number of earlier tasks; scores drawn from U[3, 5], embeddings from N(0, 1)."""
    counts, problems, turns = ((3,), 2, 2) if quick else ((3, 5, 10, 20, 32, 40), 20, 7)
    rows: list[Row] = []
    residuals: dict[int, float] = {}
    for count in counts:
        given = [_problem(count, seed) for seed in range(problems)]
        residuals[count] = max(placed.residual for placed in _all(given, "least_squares")())
        rows += _rows(count, given, turns)
    met = ", ".join(f"{residual:.1e} at {count}" for count, residual in residuals.items())
    return Result(
        "placement",
        "Finding an H-embedding",
        rows,
        {"dimensions": DIM, "problems": problems, "turns": turns},
        [
            f"The largest |‖ê − e_n‖ − γ d_n| of all problems, with the least-squares solver: {met} earlier tasks. "
            f"From {DIM + 2} on there are more equations than unknowns, and in general no exact solution."
        ],
    )


def _rows(count: int, given: list[tuple[torch.Tensor, torch.Tensor]], turns: int) -> list[Row]:
    solver, published = f"least squares, {count} earlier tasks", f"Adam, 2000 steps, {count} earlier tasks"
    times = take_turns({solver: _all(given, "least_squares")}, turns=turns)
    times |= take_turns({published: _all(given[:1], "adam")}, turns=turns, block=None)
    times[solver] = [value / len(given) for value in times[solver]]
    milliseconds = spread(1000 * value for value in times[solver])
    return [
        Row(f"{solver}, one problem", "", milliseconds, "ms", at_most=50 if count <= BOUND else None),
        ratio(times, published, solver),
    ]


def _problem(count: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Targets and embeddings."""
    draw = torch.Generator().manual_seed(seed)
    scores = 3 + 2 * torch.rand(count, generator=draw, dtype=torch.float64)
    return target_distances(scores), torch.randn(count, DIM, generator=draw, dtype=torch.float64)


def _all(given: list[tuple[torch.Tensor, torch.Tensor]], solver: str) -> Callable[[], list[Placement]]:
    return lambda: [place(targets, known, solver=solver) for targets, known in given]
