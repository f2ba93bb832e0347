"""SupSup: one mask for each task over weights that are never trained, and the task found by how sure a mask is."""

from collections.abc import Mapping
from typing import Any, Literal, final

import torch
from torch import Tensor, nn

from ..masks import Densities, Initialization, KNNInitializer
from ..params import Stateless
from ..tasks import Task
from ._base import Phase, check_choice
from ._descent import Method, Schedule
from ._donors import Keep
from ._mask_inference import Objective, Search
from ._mask_learner import LossOver, MaskLearner, Rule

__all__ = ["SupSup"]


@final
class SupSup(MaskLearner):
    """Supermasks in superposition: a mask for each task over one random network, whose weights are never trained.

    Task t is answered by W ⊙ M_t. The mask is chosen by scores s, one for each weight, which are trained with the
    gradient that an identity in the place of the choice would have (straight-through),

        M_t = 1[|s| among the k_l largest of its layer],    s ← s − η sign(s) ⊙ W ⊙ ∂L/∂(W ⊙ M_t).

    What grows with a task is one bit a weight, and batch-norm statistics. Nothing is forgotten: `verify()` compares
    hashes.

    Args:
        net: the target network; every weight with two dimensions or more is masked, heads as well.
        density: d, the share of weights kept: k_l = max(1, round(d n_l)) of each layer, exactly.
        densities: "uniform", or "erdos_renyi": narrow layers keep more, of the same number in all.
        rule: "top_k", or "threshold": all scores of at least 0 are kept, and the density is learned from 0.5 on.
        initialization: of W: "signed_constant", ± sqrt(2 / fan_in), or the "network"'s own.
        scale_fan: whether the fan counts only the inputs kept, so that the signal keeps its size.
        transfer: "none", or "running_mean": scores begin as the mean of those of all earlier tasks.
        initializer: chooses an earlier task's mask to start from (KKT): a `masks.KNNInitializer`, its settings, or the
            name of its estimator, such as "knn" or "h_score"; None for none.
        keep: what the initializer starts from: a copy of the earlier task's "scores" as published (32 bits a weight and
            task), the same in "half" precision, or new scores that select the weights of its "mask" (1 bit), which did
            better on digits turned by 10 degrees each, and worse on split digits.
        lr: step size for scores.
        optimizer: "adam", "adamw", "rmsprop" or "sgd", new for each task.
        weight_decay: of the optimizer.
        momentum: of sgd.
        schedule: "cosine" over the task, or "constant".
        selection: whether a task ends with the best scores on the validation part, where there is one.
        loss_over: the output units in the loss: the task's "own" or "all"; "auto" is all in scenario "domain" alone.
            There, units that stand for no class are never right, which helps to find the task. Where they are many,
            use rule="threshold": the few weights that "top_k" keeps of the head would mostly be theirs.
        inference: how the task is found where it is not told: "exhaustive", each mask by itself, T passes; "one_shot",
            from the slope of the `objective` along each mask with all of them mixed in equal parts, one pass for all;
            "binary", by halves, ⌈log₂ T⌉ passes; "auto", one-shot where the loss ran over all outputs and batch norm,
            if any, has more than one image, else exhaustive.
        objective: "entropy", or the energy of the "superfluous" output units, those that stand for no class.
        images: r, successive inputs of one task that share a decision.

    References:
        Wortsman et al., Supermasks in Superposition, NeurIPS 2020, arXiv 2006.14769. Ramanujan et al., What's hidden in
        a randomly weighted neural network?, CVPR 2020 (scores).

    Deviations from the published code:
        - A count of masks and packed bits take the place of a stack of all masks as numbers: the slopes are the same.
        - Only tasks that are learned can be inferred; there masks not begun yet take part, and may win.
        - Each input is a decision of its own by default; there one image decides for a batch.
        - The best scores are chosen on validation examples; there on test examples.
        - Transfer is by the running mean alone: the other ways that the code has overwrite earlier masks.
        - Where the task is told, logits of units that are not its own are left out of the loss.

    Example:
        >>> learner = SupSup(nn.Linear(64, 10), density=0.05)
        >>> learner.layout.size, learner.kept
        (640, (32,))
    """

    mean: Tensor

    def __init__(
        self,
        net: nn.Module | Stateless,
        *,
        density: float = 0.1,
        densities: Densities = "uniform",
        rule: Rule = "top_k",
        initialization: Initialization = "signed_constant",
        scale_fan: bool = False,
        transfer: Literal["none", "running_mean"] = "none",
        initializer: KNNInitializer | Mapping[str, Any] | str | None = None,
        keep: Keep = "scores",
        lr: float = 1e-2,
        optimizer: Method = "adam",
        weight_decay: float = 0.0,
        momentum: float = 0.9,
        schedule: Schedule = "cosine",
        selection: bool = True,
        loss_over: LossOver = "auto",
        inference: Search = "exhaustive",
        objective: Objective = "entropy",
        images: int = 1,
    ) -> None:
        super().__init__(
            net,
            density=density,
            densities=densities,
            rule=rule,
            initialization=initialization,
            scale_fan=scale_fan,
            initializer=initializer,
            keep=keep,
            optimizer=optimizer,
            weight_decay=weight_decay,
            momentum=momentum,
            schedule=schedule,
            selection=selection,
            loss_over=loss_over,
            inference=inference,
            objective=objective,
            images=images,
            lr=lr,
        )
        check_choice("transfer", transfer, ("none", "running_mean"))
        self.transfer = transfer
        self.register_buffer("mean", torch.zeros(self.layout.size if transfer == "running_mean" else 0))

    def _start(self) -> None:
        super()._start()
        self.mean = torch.zeros_like(self.mean)

    def _begin(self, task: Task, phase: Phase) -> None:
        self._begin_mask(task)

    def _first_scores(self, t: int) -> Tensor:
        return self.mean.clone() if self.transfer == "running_mean" and self.num_tasks else self._drawn(t)

    def _step(self, x: Tensor, y: Tensor) -> dict[str, Tensor]:
        return self._mask_step(x, y)

    def _current(self) -> Tensor:
        return self._sought()

    def _end(self, task: Task) -> None:
        self._end_mask()
        if self.transfer == "running_mean":
            self.mean = self.mean + (self.scores.detach() - self.mean) / (self.num_tasks + 1)
        self._seal()
