"""The regularizer of weight boxes: earlier tasks' boxes must stay where they were, centers and ends."""

from typing import Literal

import torch
from torch import Tensor, nn
from torch.func import functional_call

from ..hypernetworks import Hypernetwork, cheaper_form, deal, output_distance, output_distance_gram
from ..intervals import IntervalTensor, box, drift, joined
from ._target import undotted

__all__ = ["BoxRegularizer"]


class BoxRegularizer(nn.Module):
    """What later tasks may not move: the boxes ⟨c_s, r_s⟩ of weights that h makes of earlier embedding boxes.

    With Δc and Δr the changes of center and radius since the task began,

        1/(3 |S|) Σ_{s ∈ S} |Δl_s|² + |Δc_s|² + |Δu_s|²  =  1/|S| Σ_{s ∈ S} |Δc_s|² + ⅔ |Δr_s|²,

    which needs neither end. The radius is a linear map of the features' radii by |W|, so both terms have the two exact
    forms of `hypernetworks.OutputRegularizer`, of which the cheaper one is taken. In the Gram form centers and radii
    cost as much as each other, so steps take them in turn, each with twice its weight: unbiased, at half the cost.

    Made once before a task, when the hypernetwork still is at θ*; the weights θ* are kept.

    Args:
        hypernet: the hypernetwork at θ*.
        boxes: `(t, d_e)`, the earlier tasks' embedding boxes.
        held: "box", or "center" for Δc alone.
        max_tasks: how many earlier tasks one step compares at most; None for all, always.

    Attributes:
        num_tasks: t.
        num_drawn: how many of them one step compares.
        num_parts: how many steps it takes to compare all of them.

    References:
        Krukowski et al., HINT, arXiv 2405.15444: the sum over both ends and the center.
    """

    center: Tensor
    half_width: Tensor
    old_center: Tensor
    old_radius: Tensor

    def __init__(
        self,
        hypernet: Hypernetwork,
        boxes: IntervalTensor,
        *,
        held: Literal["box", "center"] = "box",
        max_tasks: int | None = 16,
    ) -> None:
        super().__init__()
        self.held = held
        self.num_tasks = len(boxes)
        self.num_drawn = self.num_tasks if max_tasks is None else min(self.num_tasks, max_tasks)
        self.num_parts = -(-self.num_tasks // max(self.num_drawn, 1))
        rows = self.num_drawn * hypernet.num_chunks
        form = cheaper_form(rows=rows, width=hypernet.basis.width, outputs=hypernet.chunk_size)
        self.form = form if hypernet.gates is None else "batched"
        self.register_buffer("center", boxes.center.detach().clone())
        self.register_buffer("half_width", boxes.radius.detach().clone())
        self.old = nn.Module()
        for name, value in hypernet.named_parameters():
            self.old.register_buffer(undotted(name), value.detach().clone())
        with torch.no_grad():
            kept = hypernet(self._boxes(None)) if self.form == "batched" else hypernet.basis(self._boxes(None))
        self.register_buffer("old_center", kept.center)
        self.register_buffer("old_radius", kept.radius)

    def sample(self, generator: torch.Generator, part: int = 0) -> Tensor | None:
        """The earlier tasks of one step, as `OutputRegularizer.sample` has it."""
        return deal(self.num_tasks, self.num_drawn, generator, part, self.center.device)

    def forward(
        self, hypernet: Hypernetwork, current: IntervalTensor, tasks: Tensor | None = None, *, step: int | None = None
    ) -> tuple[IntervalTensor, Tensor]:
        """What the current task needs generated, and the regularizer; in the batched form from one batch.

        Args:
            hypernet: the hypernetwork at θ.
            current: `(b, d_e)`, embedding boxes of the task being learned.
            tasks: the earlier tasks compared, as `sample` draws them; by default all.
            step: its number tells whose turn it is, centers' or radii's, in the Gram form; None for both.

        Returns:
            The weights `(b, P)`, and a scalar.
        """
        earlier = self._boxes(tasks)
        old = box(self._of(self.old_center, tasks), self._of(self.old_radius, tasks))
        if self.form == "gram":
            return hypernet(current), self._gram(hypernet, hypernet.basis(earlier), old, step)
        weights, now = hypernet(joined([current, earlier])).split([len(current), len(earlier)])
        penalty = output_distance(now.center, old.center)
        if self.held == "box":
            penalty = penalty + output_distance(now.radius, old.radius) * (2 / 3)
        return weights, penalty

    def _gram(self, hypernet: Hypernetwork, features: IntervalTensor, old: IntervalTensor, step: int | None) -> Tensor:
        """The same without the outputs, from features now and then."""
        if self.held == "center":
            return self._centers(hypernet, features, old)
        if step is None:
            return self._centers(hypernet, features, old) + self._radii(hypernet, features, old)
        # Tasks are dealt out in rounds of `num_parts` steps: every part meets both.
        in_turn = self._radii if sum(divmod(step, self.num_parts)) % 2 else self._centers
        return 2 * in_turn(hypernet, features, old)

    def _centers(self, hypernet: Hypernetwork, features: IntervalTensor, old: IntervalTensor) -> Tensor:
        """1/|S| Σ |Δc|²."""
        weight, bias = self.old.get_buffer("output:weight"), self.old.get_buffer("output:bias")
        new = hypernet.output
        return output_distance_gram(features.center, new.weight, new.bias, old.center, weight, bias, size=hypernet.size)

    def _radii(self, hypernet: Hypernetwork, features: IntervalTensor, old: IntervalTensor) -> Tensor:
        """1/|S| Σ ⅔ |Δr|²: of radii, |W| is the layer, without a bias."""
        weight, new = self.old.get_buffer("output:weight").abs(), hypernet.output.weight.abs()
        none = new.new_zeros(len(new))
        return (2 / 3) * output_distance_gram(features.radius, new, none, old.radius, weight, none, size=hypernet.size)

    @torch.no_grad()
    def drifts(self, hypernet: Hypernetwork) -> list[float]:
        """How far each earlier task's box reaches out of where it was when this task began: δ per task."""
        before = {name.replace(":", "."): value for name, value in self.old.named_buffers()}
        rows = [self._boxes(torch.tensor([s], device=self.center.device)) for s in range(self.num_tasks)]
        return [drift({"": functional_call(hypernet, before, (row,))}, {"": hypernet(row)}) for row in rows]

    def _boxes(self, tasks: Tensor | None) -> IntervalTensor:
        return box(self._of(self.center, tasks), self._of(self.half_width, tasks))

    @staticmethod
    def _of(remembered: Tensor, tasks: Tensor | None) -> Tensor:
        return remembered if tasks is None else remembered[tasks]
