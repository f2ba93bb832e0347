"""cltoolkit: an interactive toolkit for analysing continual learning.

The rooms: `sequences` and `networks` (what to learn, and with which network), `learners` (one file per method),
`training` (the one loop), `records` and `metrics` (what came out), `transferability` and `embeddings` (how tasks
relate), `masks` (which weights a task uses), `intervals` (what holds for every network of a box) and `audits` (whether
it still does), `orders` (what if tasks came in another order), `groups` (which Runs are seeds of one experiment),
`plots` (how it looks), `widgets` (how it moves), `reports` (what it adds up to) and `notebooks` (what keeps tutorials
true). Everyday names are here.
"""

import importlib
from typing import Any

from . import (
    embeddings,
    hypernetworks,
    intervals,
    learners,
    masks,
    metrics,
    networks,
    orders,
    sequences,
    transferability,
)
from .audits import audit
from .metrics import explain
from .params import Params, Stateless, pack, unpack
from .randomness import stream
from .records import Run, RunError
from .tasks import Examples, Streamed, Task, TaskSequence
from .training import Step, evaluate, infer_task, restore, resume, steps, task_inference, train

__all__ = [
    "Examples",
    "Params",
    "Run",
    "RunError",
    "Stateless",
    "Step",
    "Streamed",
    "Task",
    "TaskSequence",
    "audit",
    "embeddings",
    "evaluate",
    "explain",
    "hypernetworks",
    "infer_task",
    "intervals",
    "learners",
    "masks",
    "metrics",
    "networks",
    "notebooks",
    "orders",
    "pack",
    "plots",
    "report",
    "reports",
    "restore",
    "resume",
    "sequences",
    "steps",
    "stream",
    "task_inference",
    "train",
    "transferability",
    "unpack",
    "widgets",
]


def __getattr__(name: str) -> Any:
    if name in ("notebooks", "plots", "reports", "widgets"):
        return importlib.import_module(f".{name}", __name__)
    if name == "report":
        from .reports import report

        return report
    if name == "__version__":
        from importlib.metadata import version

        return version("cltoolkit")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
