"""The bootstrap of weighted Kendall's τ, of which `transferability.agreement` needs one for every estimator."""

import numpy as np

from cltoolkit.transferability._correlation import resampled, weighted_kendall

from ._report import Result, Row, ratio
from ._timing import take_turns

LOOP, AT_ONCE = "scipy, one resample after the other", "all resamples at once"


def run(quick: bool = False) -> Result:
    """By the number of tasks, each paired with each other one; a thousand resamples of the pairs."""
    tasks, resamples, turns = ((3,), 20, 2) if quick else ((7, 20, 40), 1000, 5)
    rows, differences = [], []
    for count in tasks:
        row, difference = _row(count * (count - 1), resamples, turns)
        rows.append(row)
        differences.append(difference)
    return Result(
        "resampling",
        "Bootstrap of weighted Kendall's τ",
        rows,
        {"resamples": resamples, "turns": turns},
        [f"Largest difference between the two: {max(differences):.1e}."],
    )


def _row(pairs: int, resamples: int, turns: int) -> tuple[Row, float]:
    rng = np.random.default_rng(pairs)
    x = rng.normal(size=pairs)
    y = x + rng.normal(size=pairs)
    picks = rng.integers(pairs, size=(resamples, pairs))
    found: dict[str, np.ndarray] = {}
    loop, at_once = (f"{pairs} pairs, {name}" for name in (LOOP, AT_ONCE))
    times = take_turns(
        {
            loop: lambda: found.update(loop=weighted_kendall(x[picks], y[picks])),
            at_once: lambda: found.update(at_once=resampled(weighted_kendall, x, y, picks)),
        },
        turns=turns,
        block=None,
    )
    return ratio(times, loop, at_once), float(np.abs(found["loop"] - found["at_once"]).max())
