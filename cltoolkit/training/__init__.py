"""Learner × sequence → Run: the only loop over tasks."""

from ._evaluate import evaluate, infer_task
from ._extend import restore
from ._loop import Step, pick_device, steps
from ._train import Settings, resume, train

__all__ = ["Settings", "Step", "evaluate", "infer_task", "pick_device", "restore", "resume", "steps", "train"]
