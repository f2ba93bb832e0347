"""A training step of HEmbedding, in each way of guiding, against the same without guidance; and beginning a task."""

from typing import get_args

from cltoolkit.learners import HEmbedding
from cltoolkit.learners._h_embedding import Guidance

from ._report import Result, ratio
from ._subjects import LARGE, SMALL, TINY, after, step_of
from ._timing import take_turns

UNGUIDED = "unguided"


def run(quick: bool = False) -> Result:
    """Steps with ten earlier tasks, on a target with a chunked output and on one with a full output."""
    subjects, turns, earlier = ((TINY,), 2, 3) if quick else ((LARGE, SMALL), 15, 10)
    rows = []
    for subject in subjects:
        calls = {}
        for guidance in reversed(get_args(Guidance)):
            name = f"{subject}: {UNGUIDED if guidance == 'none' else guidance}"
            calls[name] = step_of(after(HEmbedding(subject.net(), guidance=guidance), subject, earlier), subject)
        times = take_turns(calls, turns=turns, block=0.001 if quick else 0.1)
        base = f"{subject}: {UNGUIDED}"
        rows += [ratio(times, name, base) for name in calls if name != base]
    return Result(
        "guided_step",
        "A guided training step against an unguided one",
        rows,
        {"turns": turns, "earlier tasks": earlier},
        [
            "Unguided is HEmbedding with guidance='none', whose steps are HyperNet's. Scores and the H-embedding are "
            "made once, before the first step of a task."
        ],
    )
