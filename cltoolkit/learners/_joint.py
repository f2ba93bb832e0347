"""Joint: one network trained on all tasks so far at once, with all their data at hand. The upper reference."""

from typing import ClassVar, final

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import vmap
from torch.optim import Optimizer

from ..params import Params, Stateless
from ..tasks import Task, squared_error
from ._base import Learner, Phase, check_positive
from ._target import PerTask, TargetWeights, own_part, undotted

__all__ = ["Joint"]


@final
class Joint(Learner):
    """One network trained on all tasks so far: w ← argmin 1/t Σ_{j≤t} L_j(w).

    The upper reference of every plot: it keeps all earlier data, which a continual learner may not. Each step takes
    the batch of the current task and one of equal size from every earlier task, and all of them go through the
    network at once.

    Args:
        net: the target network.
        lr: step size of Adam.

    Example:
        >>> Joint(nn.Linear(4, 2)).config
        {'lr': 0.001}
    """

    one_network: ClassVar[bool] = True

    def __init__(self, net: nn.Module | Stateless, *, lr: float = 1e-3) -> None:
        super().__init__(net)
        check_positive(lr=lr)
        self.lr = lr
        self.weights = TargetWeights(self.net)
        self.heads = (
            nn.ParameterDict()
        )  # one tensor (T, *shape) for each parameter of the head, where tasks have their own
        self.statistics = PerTask(self.net.buffers)
        self.tasks: list[Task] = []

    def _start(self) -> None:
        self.weights.set(self.net.initial(self.seed, "weights"))
        self.heads.clear()
        self.tasks = []

    def _begin(self, task: Task, phase: Phase) -> None:
        if self.own_head:
            new = own_part(self.net, self.seed, self.num_tasks, self.device)
            if self.num_tasks:
                new_heads = {
                    name: torch.cat([self.heads[undotted(name)].detach(), new[name][None]])
                    for name in self.net.head_names
                }
            else:
                new_heads = {name: new[name][None].clone() for name in self.net.head_names}
            self._set_heads(new_heads)
            self.statistics.append(new)

    def _set_heads(self, heads: Params) -> None:
        for name, rows in heads.items():
            self.heads[undotted(name)] = nn.Parameter(rows)

    def _grow(self) -> None:
        if self.own_head and self.known:
            self._set_heads(
                {
                    name: torch.zeros(self.known, *self.net.shapes[name], device=self.device)
                    for name in self.net.head_names
                }
            )

    def _optimizers(self, phase: Phase) -> dict[str, Optimizer]:
        return {"weights": torch.optim.Adam(self.parameters(), lr=self.lr, fused=True)}

    def _step(self, x: Tensor, y: Tensor) -> dict[str, Tensor]:
        xs, ys = self._with_earlier(x, y)
        losses = self._losses_by_head(xs, ys) if self.own_head else self._losses_together(xs, ys)
        self.descend("weights", losses.mean())
        return {
            "loss": losses[-1].detach(),
            "earlier": losses[:-1].detach().mean() if len(losses) > 1 else losses[0].detach() * 0,
        }

    def _with_earlier(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """One such batch from each task so far, the current one last: `(t + 1, b, *input_shape)`, `(t + 1, b)`."""
        generator = self.stream("replay", self.num_tasks, self.steps)
        drawn = [
            task.train.take(torch.randint(len(task.train), (len(x),), generator=generator))
            for task in self.tasks[: self.num_tasks]
        ]
        return torch.stack([*(d[0] for d in drawn), x]), torch.stack([*(d[1] for d in drawn), y])

    def _losses_by_head(self, xs: Tensor, ys: Tensor) -> Tensor:
        """`(t + 1,)`: each task through the shared body and its own head."""
        shared = self.weights.params()
        own = {name: self.heads[undotted(name)] for name in self.net.head_names} | self.statistics.rows()
        dims = ({name: 0 if name in own else None for name in shared}, 0)
        logits = vmap(lambda params, x: self.net(params, x, training=True), in_dims=dims, randomness="different")(
            shared | own, xs
        )
        if self.regression:
            return squared_error(logits, ys).mean(1)
        closed = torch.stack([self._closed(units, logits) for units in self.outputs])
        logits = (logits + closed[:, None]).transpose(1, 2)
        return F.cross_entropy(logits, ys, reduction="none").mean(1)

    def _losses_together(self, xs: Tensor, ys: Tensor) -> Tensor:
        """`(t + 1,)`: all tasks through one network and one head."""
        logits = self.net(self.weights.params(), xs.flatten(0, 1), training=True)
        if self.regression:
            return squared_error(logits, ys.flatten(0, 1)).view(ys.shape[:2]).mean(1)
        logits = logits + self._closed(self.seen_units if self.scenario == "class" else self.outputs[0], logits)
        return F.cross_entropy(logits, ys.flatten(), reduction="none").view_as(ys).mean(1)

    def _end(self, task: Task) -> None:
        """Nothing to commit: all is shared, or has its row already."""

    def remember(self, task: Task) -> None:
        """Keeps the task's data."""
        self.tasks.append(task)

    def _params(self, t: int) -> Params:
        if not self.own_head:
            return self.weights.values()
        return (
            self.weights.values()
            | {n: self.heads[undotted(n)][t].detach() for n in self.net.head_names}
            | self.statistics.row(t)
        )

    def starting(self, t: int) -> Params | None:
        """The body as it is now, under a new head."""
        return self.weights.values() | (own_part(self.net, self.seed, t, self.device) if self.own_head else {})
