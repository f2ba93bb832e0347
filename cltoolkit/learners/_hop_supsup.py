"""HopSupSup: masks of units, all kept in one Hopfield network, and found again by the inputs alone."""

from collections.abc import Mapping, Sequence
from typing import ClassVar, final

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from ..masks import Layout, Masks, code, energy, pack_bits, signed_constant, storkey
from ..params import Params, Shapes, Stateless
from ..tasks import Task
from ._base import Learner, Phase, check_positive
from ._descent import Descent, Schedule
from ._inference import Finder
from ._recovery import Recovery, recovered, speaking
from ._target import PerTask, Rest, Statistics, undotted

__all__ = ["HopSupSup"]

AT_ONCE = 1000  # inputs in one pass


@final
class HopSupSup(Learner):
    """Supermasks in a Hopfield network: a memory that does not grow with the tasks, and gives a mask back for inputs.

    The weights are random, ± √(2 / fan_in), and never trained. A task is learned by which units may speak: the outputs
    of each normalized layer are masked, f(x, m) = W₂ (m ⊙ σ(BN(W₁ x))), m ∈ {0, 1}ᵈ, through the gains of its batch
    norm (shifts are 0, so σ(0) = 0 follows). Scores start at 0, m = 1[s ≥ 0], and gradients pass straight through.
    Batch norm takes the statistics of the batch. At the end of a task the code z = 2m − 1 of each layer is stored in a
    d × d matrix Ψ by a Storkey-like rule; some d / √(2 ln d) masks find room there.

    Where the task is not told, in scenarios "domain" and "class", a mask is searched for that makes the answers sure
    and has a low energy E(z) = −½ zᵀ Ψ z: see `recover`. That looks at the test inputs, some at once, all of one task;
    it never looks at labels, at kept masks or at which task it is. Cross-entropy and H(p) are over all outputs, those
    of other classes too. Where the task is told, its own mask answers, which is kept for that.

    Args:
        net: the target network, with batch norm before each activation σ, and σ(0) = 0. Masks are found again far more
            reliably with x σ(x), `nn.SiLU`, as published, than with ReLU, and in layers of some hundred units at least.
        keep_masks: whether masks are kept beside Ψ, one bit a unit and task, with the batch-norm statistics of their
            training. Without them memory is constant, and `params` knows ended tasks no more: for scenarios "domain"
            and "class" alone.
        lr: step size of SGD for the scores.
        momentum: of that.
        weight_decay: of that.
        schedule: "cosine", over the steps of a task, or "constant".
        recovery_lr: step size of SGD in `recover`.
        gamma: γ there, what the energy weighs against the entropy. Both defaults are published, for layers of 2048
            units and tasks of two classes; with ten classes a task, masks are missed more often.
        recovery_steps: N there, how many steps are taken for the inputs given.
        recovery_batch: inputs in one of those, at least; those given are gone through as often as it takes.

    Attributes:
        gains: where each masked layer's units lie when all are laid end to end.
        scores: s `(D,)`, of the task that is being learned.
        masks: those kept, over the units.
        memory: Ψ `(d, d)` of each masked layer.

    Raises:
        ValueError: if the network has no batch norm with gains.

    References:
        Wortsman, Ramanujan, Liu, Kembhavi, Rastegari, Yosinski & Farhadi, Supermasks in Superposition, NeurIPS 2020,
        arXiv 2006.14769, §3.6. Settings for split MNIST: layers of 2048 and 2048, batches of 128, one epoch.

    Deviations from the published code:
        - The activation is the network's own; there x σ(x). So that ReLU, too, hears of silent units again, their gains
          are 1e-30 while a mask is searched, and 0 once it is found.
        - `recovery_steps` batches are gone through, the same inputs again if need be; there the test set once.
        - Masks are kept too, unless `keep_masks=False`; they serve `params(t)` and records, never `recover`.
        - Where the task is told, the statistics of training normalize, so that a single input can be answered; there
          and in `recover` a batch's own.
        - The step size falls with every step; there with every epoch.

    Example:
        >>> layers = nn.Linear(64, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Linear(32, 2)
        >>> learner = HopSupSup(nn.Sequential(*layers))
        >>> learner.start(scenario="domain")
        >>> {name: tuple(weights.shape) for name, weights in learner.memory.items()}
        {'1.weight': (32, 32)}
    """

    one_network: ClassVar[bool] = False
    base: Tensor
    bits: Tensor
    total: Tensor

    def __init__(
        self,
        net: nn.Module | Stateless,
        *,
        keep_masks: bool = True,
        lr: float = 0.1,
        momentum: float = 0.9,
        weight_decay: float = 1e-4,
        schedule: Schedule = "cosine",
        recovery_lr: float = 500.0,
        gamma: float = 1.5e-3,
        recovery_steps: int = 30,
        recovery_batch: int = 128,
    ) -> None:
        super().__init__(net)
        check_positive(lr=lr, recovery_lr=recovery_lr, gamma=gamma)
        _check_counts(recovery_steps, recovery_batch)
        self.descent = Descent("sgd", weight_decay=weight_decay, momentum=momentum, schedule=schedule)
        self.keep_masks = keep_masks
        self.lr = lr
        self.momentum = momentum
        self.weight_decay = weight_decay
        self.schedule = schedule
        self.recovery_lr = recovery_lr
        self.gamma = gamma
        self.recovery_steps = recovery_steps
        self.recovery_batch = recovery_batch
        self.layout = Layout.of(self.net)
        self.gains = Layout(_gains(self.net))
        self.scores = nn.Parameter(torch.zeros(self.gains.size))
        self.rest = Rest(self.net, self.layout)
        self.statistics = Statistics(self.net)
        self._allocate()

    # The life of a learner

    @property
    def masks(self) -> Masks:
        """Those kept: of the tasks learned, over the units of all masked layers."""
        return Masks(self.bits, self.gains)

    @property
    def memory(self) -> Params:
        """Ψ `(d, d)` of each masked layer, by the name of its gains."""
        return {name: self.get_buffer(_psi(name)) for name in self.gains.names}

    @property
    def needs_classes(self) -> bool:
        """Whether it can learn labels alone: how sure an answer is, is known of classes only."""
        return True

    def _start(self) -> None:
        if not self.keep_masks and self.own_head:
            raise ValueError(
                "where the task is told, its mask must be there: HopSupSup(keep_masks=False) keeps none. "
                "Leave keep_masks=True, or give the sequence another view: sequence.as_scenario('domain')"
            )
        self._allocate()
        initial = self.net.initial(self.seed, "weights")
        self.base = signed_constant(self.layout, initial)
        self.rest.set(initial, zero=True)
        self._renew()

    def _allocate(self) -> None:
        """An empty memory."""
        self.register_buffer("base", torch.zeros(self.layout.size))
        self.register_buffer("bits", torch.zeros(0, -(-self.gains.size // 8), dtype=torch.uint8))
        self.register_buffer("total", torch.zeros(self.gains.size))
        self.own_statistics = PerTask(self.net.buffers)
        for name, size in zip(self.gains.names, self.gains.sizes, strict=True):
            self.register_buffer(_psi(name), torch.zeros(size, size))

    def _load(self, values: Mapping[str, Tensor], device: torch.device | str) -> None:
        """Parameters and buffers; the weights are a buffer here, whose size is checked like a parameter's."""
        if values["base"].shape != self.base.shape:
            raise ValueError(
                f"the saved base has shape {tuple(values['base'].shape)}; this learner's has "
                f"{tuple(self.base.shape)}. Build it with the hyper-parameters of the saved one."
            )
        super()._load(values, device)

    def _begin(self, task: Task, phase: Phase) -> None:
        self._renew()

    def _renew(self) -> None:
        with torch.no_grad():
            self.scores.zero_()
        self.statistics.reset()

    def _optimizers(self, phase: Phase) -> dict[str, Optimizer]:
        return {"mask": self.descent.optimizer([self.scores], self.lr)}

    def _step(self, x: Tensor, y: Tensor) -> dict[str, Tensor]:
        logits = self.net(self._with(speaking(self.scores), self.statistics.values()), x, training=True)
        every = range(logits.shape[1])  # units of other classes fall silent under this mask, as under no other
        loss = self.loss(logits, y, every)
        self.descent.set_step_size(self.optimizers["mask"], self.lr, self.steps, self.phase.steps)
        self.descend("mask", loss)
        return {"loss": loss.detach()}

    @torch.no_grad()
    def _end(self, task: Task) -> None:
        mask = self._mask()
        for name, weights in self._stored().items():
            self.register_buffer(_psi(name), weights)
        self.total = self.total + code(mask)
        if self.keep_masks:
            self.bits = torch.cat([self.bits, pack_bits(mask)[None]])
            self.own_statistics.append(self.statistics.values())

    def _known_memory(self) -> Params:
        """Ψ of each layer; a task that is being learned counts."""
        return self._stored() if self.learning else self.memory

    def _stored(self) -> Params:
        """Ψ of each layer with the mask that is being learned in it."""
        codes = self.gains.unpack(code(self._mask()))
        return {name: storkey(weights, codes[name]) for name, weights in self.memory.items()}

    def _mask(self) -> Tensor:
        """m `(D,)` of the task that is being learned."""
        return self.scores.detach() >= 0

    # What it answers

    def _with(self, gains: Tensor, statistics: Params) -> Params:
        """Every parameter and buffer of the network, from its gains `(D,)`."""
        return self.layout.unpack(self.base) | self.rest.values() | self.gains.unpack(gains) | statistics

    def _params(self, t: int) -> Params:
        if t == self.num_tasks:
            return self._with(self._mask().float(), self.statistics.values())
        if not self.keep_masks:
            raise ValueError(
                f"HopSupSup(keep_masks=False) keeps no mask of task {t}; inputs of the task bring it back: "
                "learner.recover(batches)"
            )
        return self._with(self.masks[t].float(), self.own_statistics.row(t))

    def starting(self, t: int) -> Params | None:
        """The network with all units speaking."""
        return self._with(torch.ones_like(self.base[:1]).expand(self.gains.size), self.statistics.initial())

    def recover(self, batches: Sequence[Tensor]) -> Recovery:
        """The mask that inputs of one task, whichever it is, bring back from memory: N steps, one on each batch.

        Scores begin at the mean of the stored codes. In step b, from 1, with z = sign(s) and gradients straight
        through, s takes a step of SGD down (1 − b/N) H(p) + γ (b/N) Σ_l E(z_l): the entropy of the answers leads to
        the task, the energy to the stored mask nearby. A task that is being learned counts, with its mask as it is.

        Args:
            batches: N, each `(n, *input_shape)` with n ≥ 2, since batch norm takes the batch's statistics.

        Returns:
            The mask, and entropy, energy and distances to the masks kept in each step.

        Raises:
            ValueError: if no task is known, there is no batch, or one has fewer than two inputs.

        References:
            Wortsman et al., Supermasks in Superposition, NeurIPS 2020, §3.6.
        """
        if not self.known:
            raise ValueError("expected a learner that knows a task; train it first")
        if not batches or min(map(len, batches)) < 2:
            raise ValueError(
                f"expected batches of at least 2 inputs, whose statistics normalize them; got {[*map(len, batches)]}"
            )
        with torch.inference_mode(False), torch.enable_grad():
            return recovered(
                [x.clone() if x.is_inference() else x for x in batches],  # gradients do not pass what inference made
                self._answer,
                list(self._known_memory().values()),
                (self.total + code(self._mask()) if self.learning else self.total) / self.known,
                self._known_masks(),
                lr=self.recovery_lr,
                gamma=self.gamma,
            )

    def _known_masks(self) -> Tensor:
        """`(T, D)` bool: those kept, and that of the task being learned; none if none are kept."""
        if not self.keep_masks:
            return self._mask()[None][:0]
        masks = [self.masks[t] for t in range(self.num_tasks)]
        return torch.stack([*masks, self._mask()] if self.learning else masks)

    def _answer(self, gains: Tensor, x: Tensor) -> Tensor:
        """All logits, normalized by the batch."""
        return self.net(self._with(gains, self.statistics.values() | self.net.by_batch), x)

    def finder(self) -> Finder:
        """What recovers a mask for the inputs given, at least 2 and all of one task, and answers them with it.

        The task is the one whose kept mask is nearest, or -1, unknown, where none are kept; the same for all inputs
        given together. They are answered among all classes seen.
        """

        def find(x: Tensor) -> tuple[Tensor, Tensor]:
            parts = _interleaved(x, self.recovery_batch)
            recovery = self.recover([parts[i % len(parts)] for i in range(self.recovery_steps)])
            logits = self._logits(recovery.mask, x)
            units = (logits + self._closed(self.seen_units, logits)).argmax(1)
            return units.new_full((len(x),), recovery.task), units

        return find

    @torch.no_grad()
    def _logits(self, mask: Tensor, x: Tensor) -> Tensor:
        """All logits `(n, k)` under a mask `(D,)`, in parts of equal size."""
        return torch.cat([self._answer(mask.float(), part) for part in x.tensor_split(-(-len(x) // AT_ONCE))])

    def series(self) -> dict[str, Tensor]:
        """For each task how many units of each masked layer speak, and the energy of its code in the layer's memory."""
        if not self.keep_masks:
            return {}
        memory, codes = self._known_memory(), self.gains.unpack(code(self._known_masks()))
        return {
            "kept": torch.stack([(z > 0).sum(-1) for z in codes.values()], -1),
            "energy": torch.stack([energy(memory[name], z) for name, z in codes.items()], -1),
        }


def _gains(net: Stateless) -> Shapes:
    """The gains of the network's batch norms, those with statistics, by name."""
    norms = (name.removesuffix("running_mean") for name in net.buffers if name.endswith("running_mean"))
    gains = {f"{norm}weight": net.shapes[f"{norm}weight"] for norm in norms if f"{norm}weight" in net.shapes}
    if not gains:
        raise ValueError(
            "HopSupSup masks units through the gains of their batch norm, and this network has none; "
            "build it with them: networks.mlp(..., batch_norm=True), or nn.BatchNorm1d before each activation"
        )
    return gains


def _psi(name: str) -> str:
    """The buffer that holds Ψ of the layer with gains `name`."""
    return f"psi_{undotted(name)}"


def _interleaved(x: Tensor, size: int) -> list[Tensor]:
    """All inputs, each with every m-th of them and at least `size`, if there are so many; sorted ones get mixed."""
    m = max(1, len(x) // size)
    return [x[i::m] for i in range(m)]


def _check_counts(recovery_steps: int, recovery_batch: int) -> None:
    if recovery_steps < 1 or recovery_batch < 2:
        raise ValueError(
            "expected recovery_steps of at least 1, and recovery_batch of at least 2 for a batch's statistics; "
            f"got {recovery_steps!r} and {recovery_batch!r}"
        )
