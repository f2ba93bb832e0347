"""ExSSNeT: a mask for each task, and then the training of those of its weights that no earlier mask holds."""

import warnings
from collections.abc import Mapping, Sequence
from typing import Any, final

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from ..masks import Densities, Initialization, KNNInitializer, placed
from ..params import Params, Stateless
from ..tasks import Task
from ._base import Phase, check_positive
from ._descent import Method, Schedule
from ._donors import Keep
from ._mask_inference import Objective, Search
from ._mask_learner import LossOver, MaskLearner, Rule

__all__ = ["CapacityWarning", "ExSSNeT"]

SCARCE = 0.1  # of a layer's weights free: time to say so, before none is
FEW = 0.01  # of a mask's weights exclusive: nothing to train


class CapacityWarning(UserWarning):
    """The network has hardly any weights left that no task owns."""


@final
class ExSSNeT(MaskLearner):
    """Exclusive supermask subnetworks: a mask for each task, and weights trained where no earlier task has any.

    Task t is learned in two phases. First the mask M_t: the scores s are trained, the weights W are not,

        M_t = 1[|s| among the k_l largest of its layer],    s ← s − η sign(s) ⊙ W ⊙ ∂L/∂(W ⊙ M_t).

    Then the weights that this mask holds and no earlier one does, E_t = M_t ∖ (M_0 ∪ … ∪ M_{t−1}), with the mask as it
    is. Both phases may use the weights of earlier tasks: that is the transfer. None is ever changed, so no task is ever
    forgotten: `verify()` compares hashes. The weights of E_t are trained as a vector of their own, so that no
    optimizer, decay, momentum or NaN can reach any other.

    Where E_t is empty there is nothing to train, and the method is `SupSup` over a network partly trained.

    Args:
        net: the target network; every weight with two dimensions or more is masked, heads as well.
        density: d, the share of weights kept: k_l = max(1, round(d n_l)) of each layer, exactly.
        densities: "uniform", or "erdos_renyi": narrow layers keep more, of the same number in all.
        rule: "top_k", or "threshold": all scores of at least 0 are kept, and the density is learned from 0.5 on.
        initialization: of W: "signed_constant", ± sqrt(2 / fan_in), or the "network"'s own.
        scale_fan: whether the fan counts only the inputs kept, so that the signal keeps its size.
        initializer: chooses an earlier task's mask to start from (KKT): a `masks.KNNInitializer`, its settings, or the
            name of its estimator, such as "knn" or "h_score"; None for none.
        keep: what the initializer starts from: a copy of the earlier task's "scores" as published (32 bits a weight and
            task), the same in "half" precision, or new scores that select the weights of its "mask" (1 bit), which did
            better on digits turned by 10 degrees each, and worse on split digits.
        exclusive: False trains all weights of M_t, those of earlier tasks too, and forgets (SSNeT, the ablation).
        mask_share: the share of a task's epochs in which the mask is sought.
        lr: step size for scores.
        lr_weights: step size for weights.
        optimizer: "adam", "adamw", "rmsprop" or "sgd", new for each phase.
        weight_decay: of the optimizer.
        momentum: of sgd.
        schedule: "cosine" over each phase, or "constant".
        selection: whether each phase ends with its best state on the validation part, where there is one; the second
            begins with what the first ended with, and so cannot be worse there.
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
        Yadav and Bansal, Exclusive Supermask Subnetwork Training for Continual Learning, ACL Findings 2023,
        arXiv 2210.10209. Ramanujan et al., What's hidden in a randomly weighted neural network?, CVPR 2020 (scores).

    Deviations from the published code:
        - Exclusive training is the default; there it is an option.
        - A compact vector is trained; there gradients are multiplied by E_t, and what an optimizer adds drifts.
        - The mask phase has a step size of its own; there it takes that of the weights wherever they are trained.
        - Plain cosine; there a second schedule cuts the step size by ten every eleven epochs or so.
        - The best state is chosen on validation examples, within a phase; there on test examples for images.
        - Logits of units that are not the task's are left out of the loss.
        - Masks are kept as bits; there as scores, from which they are computed anew in every forward pass.

    Example:
        >>> learner = ExSSNeT(nn.Linear(64, 10), density=0.05)
        >>> learner.layout.size, learner.kept
        (640, (32,))
    """

    theta: Tensor

    def __init__(
        self,
        net: nn.Module | Stateless,
        *,
        density: float = 0.1,
        densities: Densities = "uniform",
        rule: Rule = "top_k",
        initialization: Initialization = "signed_constant",
        scale_fan: bool = False,
        initializer: KNNInitializer | Mapping[str, Any] | str | None = None,
        keep: Keep = "scores",
        exclusive: bool = True,
        mask_share: float = 0.5,
        lr: float = 1e-2,
        lr_weights: float = 1e-2,
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
        check_positive(lr_weights=lr_weights)
        if not 0 < mask_share < 1:
            raise ValueError(f"expected mask_share between 0 and 1, both excluded; got {mask_share!r}. 1 is SupSup.")
        self.exclusive = exclusive
        self.mask_share = mask_share
        self.lr_weights = lr_weights
        self.register_buffer("theta", torch.zeros(0))
        self._fixed: tuple[Tensor, Tensor] | None = None

    def phases(self, task: Task) -> Sequence[Phase]:
        """First the mask, then the weights that it holds alone."""
        return (Phase("mask", self.mask_share), Phase("weights", 1 - self.mask_share))

    def _start(self) -> None:
        super()._start()
        self.theta, self._fixed = self.base[:0], None

    def _begin(self, task: Task, phase: Phase) -> None:
        if phase.name == "mask":
            self._begin_mask(task)
            return
        self._end_mask()
        self._fixed = None
        self.theta = self.base[self._parts()[1]]
        self._warn()
        if self.selection:
            self._watch()
            self.watched.offer(self._live(), self._answer)

    def _grow(self) -> None:
        self._fixed = None
        super()._grow()

    def _live(self) -> Params:
        if self.phase.name == "mask":
            return super()._live()
        return {"theta": self.theta} | self.statistics.values()

    def _parts(self) -> tuple[Tensor, Tensor]:
        """W ⊙ M_t `(P,)` before its training, and where the weights lie that are trained `(m,)`."""
        if self._fixed is None:
            own = self.masks[self.num_tasks]
            trained = own & ~self.masks.union(self.num_tasks) if self.exclusive else own
            self._fixed = (torch.where(own, self.base, 0.0), trained.nonzero()[:, 0])
        return self._fixed

    def _optimizers(self, phase: Phase) -> dict[str, Optimizer]:
        if phase.name == "mask":
            return super()._optimizers(phase)
        return {"weights": self.descent.optimizer([self.theta.requires_grad_()], self.lr_weights)}

    def _step(self, x: Tensor, y: Tensor) -> dict[str, Tensor]:
        if self.phase.name == "mask":
            return self._mask_step(x, y)
        return self._descend("weights", placed(self.theta, *self._parts()), self.lr_weights, x, y)

    def _current(self) -> Tensor:
        return self._sought() if self.phase.name == "mask" else placed(self.theta, *self._parts())

    @torch.no_grad()
    def _end(self, task: Task) -> None:
        self.watched.give(self._live())
        self.base = self.base.index_copy(0, self._parts()[1], self.theta.detach())
        self.theta, self._fixed = self.theta.detach()[:0], None
        self._seal()

    def _warn(self) -> None:
        """Says so before the network is full: no later task could train a weight of its own then."""
        if not self.exclusive:
            return
        kept, own = float(self.shares.kept[-1].sum()), len(self.theta)
        if own < FEW * kept:
            _say(
                f"task {self.num_tasks} has {own} of the {kept:.0f} weights of its mask to itself, and trains no others"
            )
        sizes = self.shares.exclusive.new_tensor(self.layout.sizes)
        free = 1 - self.shares.exclusive.sum(0) / sizes
        before = free + self.shares.exclusive[-1] / sizes
        scarce = ((free < SCARCE) & (before >= SCARCE)).tolist()
        if any(scarce):
            shares = [
                f"{name} {share:.0%}"
                for name, share, few in zip(self.layout.names, free.tolist(), scarce, strict=True)
                if few
            ]
            _say(f"after task {self.num_tasks} few weights are left to train that no task owns: {', '.join(shares)}")


def _say(what: str) -> None:
    warnings.warn(f"{what}. Use a smaller density, or a wider network.", CapacityWarning, stacklevel=4)
