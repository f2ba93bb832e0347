"""The contract of all methods: a map from a task to weights of a target network, and a rule to learn the next task."""

import inspect
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, final

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import Optimizer

from ..params import Params, Stateless
from ..randomness import stream
from ..tasks import Scenario, Task, closed, relative_entropy, squared_error
from ._inference import Finder, by_doubt

__all__ = ["Learner", "Phase", "check_between", "check_choice", "check_positive"]


@dataclass(frozen=True)
class Phase:
    """One part of learning a task.

    Args:
        name: what it is called in records.
        share: the fraction of the task's epochs that it takes.
        steps: how many steps that makes, for schedules; the training loop says so. 0 where nobody does.
    """

    name: str = "train"
    share: float = 1.0
    steps: int = 0


class Learner(nn.Module, ABC):
    """A map t ↦ parameters of one target network, and a rule for learning task t.

    The life of a learner is `start`, and then for every task `begin`, many times `step`, `end`. `training.train`
    leads it through that; nothing else is needed to train one by hand.

    To write a method, derive from this class and give the six functions marked abstract; each speaks of one task.
    Whatever must survive an interruption is a parameter or a buffer of the module: it is then saved and restored with
    it. Hyper-parameters are keywords, kept under their own names as attributes; they are recorded with every run.

    Args:
        net: the target network, any `nn.Module`, or a `Stateless`.

    Attributes:
        net: the target network without weights.
        num_tasks: how many tasks are learned.
        learning: whether task number `num_tasks` is being learned now.
        outputs: for each task begun, the network's output units that answer it.
        scenario: that of the tasks.
        regression: whether the tasks have real-valued targets and no classes.
    """

    one_network: ClassVar[bool]  # one set of weights answers every task, once heads are shared

    def __init__(self, net: nn.Module | Stateless) -> None:
        super().__init__()
        self.net = net if isinstance(net, Stateless) else Stateless(net)
        self.num_tasks = 0
        self.learning = False
        self.outputs: list[tuple[int, ...]] = []
        self.scenario: Scenario = "task"
        self.regression = False
        self.seed = 0
        self.steps = 0
        self.phase = Phase()
        self.optimizers: dict[str, Optimizer] = {}
        self.started = False
        self._masks: dict[tuple[int, ...], Tensor] = {}

    # What a method says

    @abstractmethod
    def _start(self) -> None:
        """Draws every initial value from `self.stream(...)`; the learner knows no task afterwards."""

    def phases(self, task: Task) -> Sequence[Phase]:
        """The parts in which a task is learned, in order; one unless the method says otherwise."""
        return (Phase(),)

    @abstractmethod
    def _begin(self, task: Task, phase: Phase) -> None:
        """Prepares for a phase of task `self.num_tasks`: targets, new weights of its own."""

    @abstractmethod
    def _optimizers(self, phase: Phase) -> dict[str, Optimizer]:
        """New optimizers for a phase, by name; from the parameters as they are, and without any other effect."""

    @abstractmethod
    def _step(self, x: Tensor, y: Tensor) -> dict[str, Tensor]:
        """One update; the named losses, detached, still on the device. "loss" is the task's own."""

    @abstractmethod
    def _end(self, task: Task) -> None:
        """Commits task `self.num_tasks`: afterwards `_params` answers for it."""

    @abstractmethod
    def _params(self, t: int) -> Params:
        """The weights that answer task t: one learned, or the one being learned."""

    def starting(self, t: int) -> Params | None:
        """The weights from which task t ≥ `num_tasks` would begin, had it to begin now; None where there are none."""
        return None

    def attend(self, task: Task) -> None:
        """Hands over the task that is about to be learned, or learned on, for methods that look at its validation part.

        Before `begin`, and again when a run is resumed within the task.
        """

    def doubt(self, x: Tensor, logits: Tensor) -> Tensor:
        """How unsure the weights of each task are of each input; where the task is not told, the surest answer.

        Args:
            x: `(n, *input_shape)`.
            logits: `(T, n, k)` of x under the weights of every known task, -inf for units that are not the task's.

        Returns:
            `(T, n)`: the entropy of the answer, relative to its maximum, unless the method says otherwise.
        """
        return relative_entropy(logits)

    def finder(self) -> Finder:
        """What finds the task of inputs whose task is not told, and answers them; from the learner as it is now.

        By `doubt`, under the weights of every known task, unless the method has a shorter way.
        """
        return by_doubt(self)

    def remember(self, task: Task) -> None:
        """Hands over an ended task's data, for methods that keep some; after `end`, and again when a run is resumed."""

    def _grow(self) -> None:
        """Makes room for the parameters of `known` tasks, where their number grows, before a state is loaded."""

    def series(self) -> dict[str, Tensor]:
        """What is worth keeping after each task, by name, row j for task j: embeddings, widths, scores."""
        return {}

    def moving(self) -> dict[str, Tensor]:
        """What is worth watching between steps, cheap to read: "embeddings" `(t, d)`, "half_widths" `(t, d)`."""
        return {}

    # What every learner does alike

    @final
    def start(self, *, seed: int = 0, device: torch.device | str = "cpu", scenario: Scenario = "task") -> None:
        """Makes the learner new: all its values drawn from `seed`, no task learned.

        Raises:
            ValueError: if it has learned tasks already; they would be lost.
        """
        if self.started and (self.num_tasks or self.learning):
            raise ValueError(
                f"this {self.name} has learned {self.num_tasks} tasks, which a new start would lose; "
                "make a new learner, or continue a saved run with `resume`"
            )
        self.seed, self.scenario, self.started = int(seed), scenario, True
        self._masks = {}
        self.to(device)
        self._start()
        self.to(device)

    @final
    def begin(self, task: Task, phase: Phase) -> None:
        """Begins a phase of the next task.

        Raises:
            ValueError: if the task is a regression, and the method or the scenario needs classes.
        """
        if not self.learning:
            if task.regression:
                self._check_regression()
            self.learning = True
            self.regression = task.regression
            self.outputs.append(task.outputs)
        self.steps = 0
        self.phase = phase
        self._begin(task, phase)
        self.optimizers = self._optimizers(phase)

    @final
    def step(self, x: Tensor, y: Tensor) -> dict[str, Tensor]:
        """One update.

        Args:
            x: `(b, *input_shape)`.
            y: `(b,)`, output units; or targets `(b, k)`.

        Returns:
            The named losses, scalars on the device.
        """
        losses = self._step(x, y)
        self.steps += 1
        return losses

    @final
    def end(self, task: Task) -> None:
        """Commits the task; `num_tasks` grows by one."""
        self._end(task)
        self.optimizers = {}
        self.learning = False
        self.num_tasks += 1
        self.remember(task)

    @final
    def params(self, t: int) -> Params:
        """Every parameter and buffer of the target network that answers task t.

        Raises:
            IndexError: if task t is not learned.
        """
        self._check_known(t)
        return self._params(t)

    @final
    def logits(self, x: Tensor, t: int) -> Tensor:
        """Logits `(n, k)` of task t, one for each of its classes, for `x` `(n, *input_shape)`.

        In the class-incremental scenario a learner with one network answers with all classes seen so far.
        """
        units = torch.tensor(self.units(t), device=x.device)
        return self.net(self.params(t), x)[:, units]

    @final
    def features(self, x: Tensor, t: int) -> Tensor:
        """The head's input `(n, d)` under the weights of task t."""
        return self.net.features(self.params(t), x)

    def stacked_params(self) -> Params:
        """The weights of all known tasks at once: each `(T, *shape)`."""
        rows = [self._params(t) for t in range(self.known)]
        return {name: torch.stack([row[name] for row in rows]) for name in rows[0]}

    @property
    def known(self) -> int:
        """How many tasks `params` answers for: those learned, and the one being learned."""
        return self.num_tasks + self.learning

    @property
    def own_head(self) -> bool:
        """Whether tasks are told apart at test, so that each has a head of its own."""
        return self.scenario == "task"

    @property
    def needs_task(self) -> bool:
        """Whether the answer depends on which task is asked for."""
        return self.own_head or not self.one_network

    @property
    def needs_classes(self) -> bool:
        """Whether it can learn labels alone, and no real-valued targets."""
        return False

    @final
    def units(self, t: int) -> tuple[int, ...]:
        """The output units that may answer task t."""
        self._check_known(t)
        return self.outputs[t] if self.needs_task or self.scenario != "class" else self.seen_units

    @property
    def seen_units(self) -> tuple[int, ...]:
        """The output units of all tasks begun so far."""
        return tuple(sorted({unit for outputs in self.outputs for unit in outputs}))

    @property
    def name(self) -> str:
        """The method's name."""
        return type(self).__name__

    @property
    def config(self) -> dict[str, Any]:
        """The hyper-parameters, by keyword."""
        keywords = [p.name for p in inspect.signature(type(self)).parameters.values() if p.kind is p.KEYWORD_ONLY]
        return {keyword: vars(self)[keyword] for keyword in keywords}

    @final
    def stream(self, *key: int | str, device: torch.device | str = "cpu") -> torch.Generator:
        """A generator for one purpose of this learner."""
        return stream(self.seed, type(self).__name__, *key, device=device)

    @property
    def device(self) -> torch.device:
        """Where the learner's values are."""
        return next(iter(self.state_dict().values())).device

    def loss(self, logits: Tensor, y: Tensor, units: Sequence[int]) -> Tensor:
        """Mean cross-entropy of `y` `(n,)` among the output units `units` alone, from all logits `(n, k)`.

        Of real-valued targets `(n, k)` it is the squared error, summed over outputs, and its mean over examples.
        """
        if y.is_floating_point():
            return squared_error(logits, y).mean()
        if len(units) == logits.shape[1]:
            return F.cross_entropy(logits, y)
        return F.cross_entropy(logits + self._closed(tuple(units), logits), y)

    @final
    def descend(self, name: str, loss: Tensor) -> None:
        """One step of the optimizer `name` along the gradient of `loss`."""
        optimizer = self.optimizers[name]
        for group in optimizer.param_groups:
            for parameter in group["params"]:
                parameter.grad = None  # `zero_grad` does this too, and takes longer than a small network's forward pass
        loss.backward()
        optimizer.step()

    def _closed(self, units: tuple[int, ...], logits: Tensor) -> Tensor:
        """`(k,)`: 0 for the units that may answer, -inf for the others; made once for each set of units."""
        if units not in self._masks:
            self._masks[units] = closed(units, logits)
        return self._masks[units]

    # Saving

    @final
    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Everything that `restore` needs: tensors by name, and facts in JSON's types."""
        tensors = {f"learner/{name}": value.detach() for name, value in self.state_dict().items()}
        for key, optimizer in self.optimizers.items():
            for i, slots in optimizer.state_dict()["state"].items():
                tensors |= {f"optimizer/{key}/{i}/{slot}": value for slot, value in slots.items()}
        facts = {
            "name": self.name,
            "seed": self.seed,
            "scenario": self.scenario,
            "num_tasks": self.num_tasks,
            "learning": self.learning,
            "outputs": [list(units) for units in self.outputs],
            "regression": self.regression,
            "steps": self.steps,
            "phase": [self.phase.name, self.phase.share, self.phase.steps],
        }
        return tensors, facts

    @final
    def restore(
        self, tensors: Mapping[str, Tensor], facts: Mapping[str, Any], *, device: torch.device | str = "cpu"
    ) -> None:
        """Puts a learner, built with the same network and hyper-parameters, into a saved state, to the bit.

        Raises:
            ValueError: if the state is that of another method, or its tensors do not fit.
        """
        if facts["name"] != self.name:
            raise ValueError(f"expected the state of a {self.name}; got that of a {facts['name']}")
        self.num_tasks, self.learning, self.outputs = 0, False, []
        self.start(seed=facts["seed"], device=device, scenario=facts["scenario"])
        self.num_tasks, self.learning, self.steps = facts["num_tasks"], facts["learning"], facts["steps"]
        self.outputs = [tuple(units) for units in facts["outputs"]]
        self.regression = facts.get("regression", False)  # older states know classes only
        self.phase = Phase(*facts["phase"])
        mine = {name.removeprefix("learner/"): v for name, v in tensors.items() if name.startswith("learner/")}
        self._grow()
        self._load(mine, device)
        self.optimizers = self._optimizers(self.phase) if self.learning else {}
        for key, optimizer in self.optimizers.items():
            _load_slots(optimizer, f"optimizer/{key}/", tensors)

    def _load(self, values: Mapping[str, Tensor], device: torch.device | str) -> None:
        """Parameters take their values in place; buffers, which grow with the tasks, are replaced."""
        parameters = dict(self.named_parameters())
        expected = set(self.state_dict())
        if not set(parameters) <= set(values):
            lacking = sorted(set(parameters) - set(values))[:5]
            raise ValueError(f"the saved state lacks {lacking}; was the learner built the same way?")
        for name, value in values.items():
            path, _, leaf = name.rpartition(".")
            if name in parameters:
                if parameters[name].shape != value.shape:
                    raise ValueError(
                        f"the saved {name} has shape {tuple(value.shape)}; this learner's has "
                        f"{tuple(parameters[name].shape)}. Build it with the hyper-parameters of the saved one."
                    )
                with torch.no_grad():
                    parameters[name].copy_(value)
            else:
                self.get_submodule(path).register_buffer(leaf, value.to(device, copy=True))
        for name in expected - set(values):
            path, _, leaf = name.rpartition(".")
            delattr(self.get_submodule(path), leaf)

    def _check_regression(self) -> None:
        if self.needs_classes:
            raise ValueError(
                f"{self.name} as it is set up looks at classes, and real-valued targets have none; "
                "HyperNet, and HyperInterval without guidance, learn them"
            )
        if self.needs_task and not self.own_head:
            raise ValueError(
                f"{self.name} has weights for each task, and scenario {self.scenario!r} does not name the task: it "
                "would be found by how sure the answer is, which real-valued outputs do not tell. Use scenario='task', "
                "or a learner with one network, such as HyperInterval with nesting."
            )

    def _check_known(self, t: int) -> None:
        if not 0 <= t < self.known:
            known = f"tasks 0 to {self.known - 1}" if self.known else "no task yet"
            raise IndexError(f"{self.name} knows {known}; task {t} was asked for. Train it on the task first.")


def _load_slots(optimizer: Optimizer, prefix: str, tensors: Mapping[str, Tensor]) -> None:
    """Gives a new optimizer the saved moments of an old one, keeping its own hyper-parameters."""
    slots: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        if name.startswith(prefix):
            i, slot = name.removeprefix(prefix).split("/")
            slots.setdefault(int(i), {})[slot] = value.clone()
    optimizer.load_state_dict({"state": slots, "param_groups": optimizer.state_dict()["param_groups"]})


def check_positive(**values: float) -> None:
    """Raises a ValueError that names the first hyper-parameter which is not a number above 0."""
    for name, value in values.items():
        if not value > 0:
            raise ValueError(f"expected {name} above 0; got {value!r}")


def check_between(**values: float) -> None:
    """Raises a ValueError that names the first hyper-parameter which is not a number from 0 to 1."""
    for name, value in values.items():
        if not 0 <= value <= 1:
            raise ValueError(f"expected {name} between 0 and 1; got {value!r}")


def check_choice(name: str, value: str, choices: Sequence[str]) -> None:
    """Raises a ValueError that lists the choices, if the hyper-parameter `name` is none of them."""
    if value not in choices:
        raise ValueError(f"expected {name} to be one of {', '.join(map(repr, choices))}; got {value!r}")
