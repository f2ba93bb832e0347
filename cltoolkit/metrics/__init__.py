"""What a run of tasks adds up to: every number of the accuracy matrix, in named dialects, and where it comes from.

The accuracy matrix `accuracy` has shape `(T + 1, T)`: `accuracy[i, j]` is the test accuracy on task `j` after `i`
tasks, row 0 is before any training, NaN is unknown. In formulas `R[i, j]` (with i, j = 1..T) is the accuracy on task j
after task i, and `b[j]` is row 0. Values are fractions, not percent; any score of which more is better does as well.
The first k tasks of a matrix are `accuracy[: k + 1, :k]`.
"""

from ._anytime import (
    average_anytime_accuracy,
    learning_curve_area,
    minimum_accuracy,
    worst_case_accuracy,
)
from ._explain import Explanation, explain, explanations
from ._inputs import Record
from ._interval import mean_and_interval
from ._matrix import (
    average_accuracy,
    average_incremental_accuracy,
    average_so_far,
    diaz_accuracy,
    learning_accuracy,
    sample_weighted_accuracy,
)
from ._paired import Difference, paired_difference
from ._references import intransigence, plasticity_gain
from ._speed import steps_to
from ._table import compare_dialects, direction, label, table, unit
from ._task_id import task_confusion, task_id_accuracy
from ._transfer import (
    backward_transfer,
    forgetting,
    forward_transfer,
    positive_backward_transfer,
    remembering,
)

__all__ = [
    "Difference",
    "Explanation",
    "Record",
    "average_accuracy",
    "average_anytime_accuracy",
    "average_incremental_accuracy",
    "average_so_far",
    "backward_transfer",
    "compare_dialects",
    "diaz_accuracy",
    "direction",
    "explain",
    "explanations",
    "forgetting",
    "forward_transfer",
    "intransigence",
    "label",
    "learning_accuracy",
    "learning_curve_area",
    "mean_and_interval",
    "minimum_accuracy",
    "paired_difference",
    "plasticity_gain",
    "positive_backward_transfer",
    "remembering",
    "sample_weighted_accuracy",
    "steps_to",
    "table",
    "task_confusion",
    "task_id_accuracy",
    "unit",
    "worst_case_accuracy",
]
