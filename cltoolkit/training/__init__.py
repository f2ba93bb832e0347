"""Learner × sequence → Run: the only loop over tasks."""

from ._certified import certified_part
from ._evaluate import evaluate, infer_task
from ._extend import restore
from ._loop import Step, steps
from ._rebuild import same_learner, same_sequence
from ._session import Session, Settings
from ._task_inference import TaskInference, task_inference
from ._train import resume, train

__all__ = [
    "Session",
    "Settings",
    "Step",
    "TaskInference",
    "certified_part",
    "evaluate",
    "infer_task",
    "restore",
    "resume",
    "same_learner",
    "same_sequence",
    "steps",
    "task_inference",
    "train",
]
