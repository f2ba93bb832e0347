"""Tasks and their sequence: what there is to learn, in which order, and what a label means."""

from ._entropy import entropy, relative_entropy
from ._examples import Data, Examples, Streamed
from ._sequence import TaskSequence
from ._targets import r_squared, squared_error
from ._task import Scenario, Task, closed

__all__ = [
    "Data",
    "Examples",
    "Scenario",
    "Streamed",
    "Task",
    "TaskSequence",
    "closed",
    "entropy",
    "r_squared",
    "relative_entropy",
    "squared_error",
]
