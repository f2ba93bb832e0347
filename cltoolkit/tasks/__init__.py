"""Tasks and their sequence: what there is to learn, in which order, and what a label means."""

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
    "r_squared",
    "squared_error",
]
