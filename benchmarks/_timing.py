"""Timing in turns: callables run A B A B …, and each turn gives a ratio: a busy machine slows both sides alike."""

import gc
import math
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np

__all__ = ["Spread", "compare", "spread", "take_turns"]

Clock = Callable[[], float]
Times = Mapping[str, list[float]]


@dataclass(frozen=True)
class Spread:
    """A median between its quartiles."""

    median: float
    low: float
    high: float


def spread(values: Iterable[float]) -> Spread:
    """Median and quartiles."""
    low, median, high = np.quantile(list(values), (0.25, 0.5, 0.75))
    return Spread(float(median), float(low), float(high))


def compare(times: Times, name: str, to: str) -> Spread:
    """How much longer `name` takes than `to`: the spread of the ratios of one turn."""
    return spread(a / b for a, b in zip(times[name], times[to], strict=True))


def take_turns(
    calls: Mapping[str, Callable[[], object]],
    *,
    turns: int,
    block: float | None = 0.05,
    clock: Clock = time.perf_counter,
) -> dict[str, list[float]]:
    """Seconds per call, for every callable and turn.

    In each turn every callable runs for at least `block` seconds, so that a short one finds its data in the caches
    again after a long one. The order is turned round from turn to turn. Each is called twice before, to warm up and to
    count.

    Args:
        calls: what is timed, by name.
        turns: how often each has its turn.
        block: seconds that one turn of one callable lasts, at least; one call, where that takes longer. None for one
            call without warming up.
        clock: tells the time in seconds.
    """
    repeats = {name: 1 if block is None else _repeats(call, block, clock) for name, call in calls.items()}
    times: dict[str, list[float]] = {name: [] for name in calls}
    gc.collect()
    for turn in range(turns):
        for name in list(calls)[:: -1 if turn % 2 else 1]:
            times[name].append(_seconds(calls[name], repeats[name], clock))
    return times


def _repeats(call: Callable[[], object], block: float, clock: Clock) -> int:
    """How many calls fill a block."""
    call()
    return max(1, math.ceil(block / max(_seconds(call, 1, clock), 1e-9)))


def _seconds(call: Callable[[], object], repeats: int, clock: Clock) -> float:
    """Seconds per call."""
    begin = clock()
    for _ in range(repeats):
        call()
    return (clock() - begin) / repeats
