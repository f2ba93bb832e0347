"""cltoolkit: an interactive toolkit for analysing continual learning.

The rooms: `sequences` and `networks` (what to learn, and with which network), `learners` (one file per method), `training`
(the one loop), `records` and `metrics` (what came out), `plots` (how it looks). The everyday names are here.
"""

import importlib
from importlib.metadata import PackageNotFoundError, version
from types import ModuleType

from . import hypernetworks, learners, metrics, networks, sequences
from .metrics import explain
from .params import Params, Stateless, pack, unpack
from .randomness import stream
from .records import Run, RunError
from .tasks import Examples, Streamed, Task, TaskSequence
from .training import Step, evaluate, infer_task, restore, resume, steps, train

try:
    __version__ = version("cltoolkit")
except PackageNotFoundError:  # run from a source tree that is not installed
    __version__ = "0.0.0"

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
    "evaluate",
    "explain",
    "hypernetworks",
    "infer_task",
    "learners",
    "metrics",
    "networks",
    "pack",
    "plots",  # noqa: F822  loads on access: the core runs without matplotlib
    "restore",
    "resume",
    "sequences",
    "steps",
    "stream",
    "train",
    "unpack",
]


def __getattr__(name: str) -> ModuleType:
    if name == "plots":
        return importlib.import_module(".plots", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
