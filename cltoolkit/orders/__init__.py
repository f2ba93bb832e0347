"""In which order to learn tasks: what transfer predicts of every order, and what training says."""

from ._predict import Orders, predict_orders
from ._run import OrderRuns, run_orders

__all__ = ["OrderRuns", "Orders", "predict_orders", "run_orders"]
