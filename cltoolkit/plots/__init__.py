"""Pictures of records: `f(record, *, ax=None) -> Axes` draws on the axes given or on new ones, and returns them.

Nothing is shown, saved or restyled here. Each picture has a sentence for those who cannot see it: `alt_text(ax)`.
Colors are told apart by the color-blind, and by line style or marker in grey.
"""

from ._agreement import agreement
from ._anytime import anytime
from ._average import average_so_far
from ._axes import alt_text, theme
from ._compare import compare
from ._curves import curves
from ._discrepancy import discrepancy
from ._examples import examples
from ._guidance import guidance
from ._h_embedding_fit import h_embedding_fit
from ._inline import inline
from ._interval_accuracy import certified_accuracy
from ._interval_along import along_interval
from ._interval_boxes import nested_boxes
from ._interval_drift import certified_by_drift
from ._interval_embeddings import intervals
from ._interval_half_widths import half_widths
from ._interval_logits import logit_intervals
from ._interval_margins import margins
from ._interval_plasticity import plasticity
from ._interval_radius import certified_by_radius
from ._interval_regression import interval_regression
from ._interval_schedule import schedule
from ._interval_weights import weight_widths
from ._interval_widths import interval_widths
from ._mask_capacity import mask_capacity
from ._mask_density import accuracy_by_density
from ._mask_donors import donor_scores, donor_tree
from ._mask_exclusive import exclusive_share
from ._mask_gradients import task_gradients
from ._mask_overlap import mask_overlap
from ._mask_owners import weight_owners
from ._mask_recovery import hopfield_recovery, hopfield_search
from ._mask_speed import learning_speed
from ._mask_storage import mask_storage
from ._matrix import accuracy_matrix
from ._orders import orders, orders_measured
from ._sheet import Figure, Panel, png, sheet
from ._task_map import shepard, task_map
from ._trajectories import embedding_trajectories
from ._transfer_matrix import transfer_matrix
from ._transfer_scatter import transfer_scatter
from ._trilateration import trilateration

__all__ = [
    "Figure",
    "Panel",
    "accuracy_by_density",
    "accuracy_matrix",
    "agreement",
    "along_interval",
    "alt_text",
    "anytime",
    "average_so_far",
    "certified_accuracy",
    "certified_by_drift",
    "certified_by_radius",
    "compare",
    "curves",
    "discrepancy",
    "donor_scores",
    "donor_tree",
    "embedding_trajectories",
    "examples",
    "exclusive_share",
    "guidance",
    "h_embedding_fit",
    "half_widths",
    "hopfield_recovery",
    "hopfield_search",
    "inline",
    "interval_regression",
    "interval_widths",
    "intervals",
    "learning_speed",
    "logit_intervals",
    "margins",
    "mask_capacity",
    "mask_overlap",
    "mask_storage",
    "nested_boxes",
    "orders",
    "orders_measured",
    "plasticity",
    "png",
    "schedule",
    "sheet",
    "shepard",
    "task_gradients",
    "task_map",
    "theme",
    "transfer_matrix",
    "transfer_scatter",
    "trilateration",
    "weight_owners",
    "weight_widths",
]
