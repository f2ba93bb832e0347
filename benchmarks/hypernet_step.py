"""A training step of HyperNet against a plain step of the same target network."""

from ._report import Result, ratio
from ._subjects import FULL, LARGE, TINY, hypernet_step, plain_step
from ._timing import take_turns


def run(quick: bool = False) -> Result:
    """Default settings (a chunked output) and the full 75-75 hypernetwork, without earlier tasks and with ten."""
    subject, turns, tasks = (TINY, 2, (0, 2)) if quick else (LARGE, 15, (0, 10))
    calls = {"plain step": plain_step(subject)}
    for label, settings in {"chunked 64-64 (default)": {}, "full 75-75": FULL}.items():
        for n in tasks:
            calls[f"HyperNet, {label}, {n} earlier tasks"] = hypernet_step(subject, n, **settings)
    times = take_turns(calls, turns=turns, block=0.001 if quick else 0.1)
    return Result(
        "hypernet_step",
        "A HyperNet training step against a plain step",
        [ratio(times, name, "plain step") for name in calls if name != "plain step"],
        {"target": str(subject), "turns": turns},
        [
            "A step is forward, backward and a fused Adam, on one batch in memory. The plain one trains an ordinary "
            "module."
        ],
    )
