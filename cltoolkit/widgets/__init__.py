"""Views to touch: records as widgets in notebooks, as still pictures, and as pages without kernel or network."""

from ._interval_explorer import IntervalExplorer
from ._link import Views, link
from ._mask_explorer import MaskExplorer
from ._order_explorer import OrderExplorer
from ._run_explorer import RunExplorer
from ._task_map import TaskMap
from ._training_board import TrainingBoard
from ._transfer_explorer import TransferExplorer
from ._view import View

__all__ = [
    "IntervalExplorer",
    "MaskExplorer",
    "OrderExplorer",
    "RunExplorer",
    "TaskMap",
    "TrainingBoard",
    "TransferExplorer",
    "View",
    "Views",
    "link",
]
