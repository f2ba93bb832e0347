"""One file per method: `Learner`, and everything that derives from it."""

from typing import Any

from torch import nn

from ..params import Stateless
from ._base import Learner, Phase
from ._exssnet import CapacityWarning, ExSSNeT
from ._finetune import Finetune
from ._h_embedding import HEmbedding
from ._hop_supsup import HopSupSup
from ._hyper_interval import HyperInterval
from ._hypernet import HyperNet
from ._inference import Finder
from ._intercontinet import InterContiNet
from ._interval import IntervalLearner, VacuousWarning
from ._joint import Joint
from ._mask_learner import MaskLearner
from ._separate import Separate
from ._supsup import SupSup
from ._task_free_supsup import TaskFreeSupSup

__all__ = [
    "METHODS",
    "CapacityWarning",
    "ExSSNeT",
    "Finder",
    "Finetune",
    "HEmbedding",
    "HopSupSup",
    "HyperInterval",
    "HyperNet",
    "InterContiNet",
    "IntervalLearner",
    "Joint",
    "Learner",
    "MaskLearner",
    "Phase",
    "Separate",
    "SupSup",
    "TaskFreeSupSup",
    "VacuousWarning",
    "build",
]

METHODS: dict[str, type[Learner]] = {
    method.__name__: method
    for method in (
        Finetune,
        Joint,
        Separate,
        HyperNet,
        HEmbedding,
        HyperInterval,
        InterContiNet,
        SupSup,
        ExSSNeT,
        TaskFreeSupSup,
        HopSupSup,
    )
}


def build(name: str, net: nn.Module | Stateless, config: dict[str, Any]) -> Learner:
    """A new learner of the method `name`, with the hyper-parameters `config`.

    Example:
        >>> build("Finetune", nn.Linear(4, 2), {"lr": 0.01}).config
        {'heads': 'shared', 'lr': 0.01}
    """
    return METHODS[name](net, **config)
