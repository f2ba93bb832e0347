"""Transfer as it is: what the source's weights gain on the target, by training on it."""

import os
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from tqdm.auto import tqdm

from ..devices import pick_device
from ..params import Params, Stateless
from ..randomness import key_seed
from ..tasks import TaskSequence, closed
from ._cache import Cache, Values
from ._fine_tune import Adam, cycled, rows_of, stacked, train_networks
from ._matrix import TransferMatrix
from ._meter import Meter, Tick
from ._outputs import all_outputs, draw_sample
from ._probe import probe_accuracy

__all__ = ["measured_transfer"]

EVALUATED = 500  # inputs in one pass of evaluation
MEASURES = ("linear_probe", "fine_tune")


def measured_transfer(
    net: nn.Module | Stateless,
    sequence: TaskSequence,
    *,
    seed: int = 0,
    repeats: int = 3,
    epochs: int = 20,
    batch_size: int = 32,
    lr: float = 1e-3,
    target_samples: int = 200,
    fine_tune_steps: int = 50,
    fine_tune_lr: float = 1e-3,
    cache: str | os.PathLike[str] | None = None,
    device: torch.device | str | None = None,
    batch_networks: int | None = None,
    progress: bool = True,
) -> dict[str, TransferMatrix]:
    """What a source gains on a target, by training: the truth that estimators of transferability are to predict.

    In each repetition the network is trained on every task alone, from the same initial weights w₀, which gives the
    sources w_s. For a target t a small sample of its training data is drawn, and its test accuracy A is measured

    - with a linear classifier on frozen features (`probe_accuracy`): gain A(features of w_s) − A(features of w₀);
    - after a few steps of fine-tuning under a new head: gain A(begun from w_s) − A(begun from w₀), where both have the
      same head to begin with, the same data in the same order and as many steps.

    A gain above 0 is positive transfer. All sources are trained at once, and so are all that serve one target.

    Args:
        net: the network.
        sequence: the tasks, each a source and a target.
        seed: of everything random.
        repeats: R, how often all of it is done, with other weights, orders and samples.
        epochs: passes over the largest task's data in training the sources; all tasks have as many steps.
        batch_size: examples per step, at most, in both kinds of training.
        lr: step size of Adam in training the sources.
        target_samples: training examples of the target, at most, as many of each class as in the data. Transfer shows
            where data is scarce.
        fine_tune_steps: of Adam, on the target.
        fine_tune_lr: their size.
        cache: a folder for what is done already. An interrupted call goes on from there, a finished one is read back,
            one with more repeats adds to it; any other setting, network or data counts as another configuration.
        device: where to compute; a GPU if there is one.
        batch_networks: how many networks are trained together; by itself 16 (on a GPU 64), or 1 for convolutions on a
            CPU, which are not faster together. It changes values by rounding alone.
        progress: whether a progress bar is shown (the environment variable TQDM_DISABLE=1 hides it, too).

    Returns:
        "linear_probe_gain" and "fine_tune_gain": matrices with all repetitions in `.samples`. Their settings hold how
        they were made, and the mean test accuracy of the baseline w₀ on each target, "baseline".

    Raises:
        ValueError: if the network does not fit the sequence, or a setting is out of range; before any training.

    References:
        Zamir et al., Taskonomy: Disentangling Task Transfer Learning, CVPR 2018 (gain against training from scratch).

    Example:
        >>> import cltoolkit as cl
        >>> sequence = cl.sequences.related_gaussians(3, groups=[0, 0, 1], relatedness=1)
        >>> net = cl.networks.mlp(sequence.input_shape, (8,), 2)
        >>> gains = measured_transfer(net, sequence, repeats=2, epochs=3, lr=0.01, progress=False)
        >>> gains["fine_tune_gain"]
        TransferMatrix(gain of fine-tuning, 3 sources on 3 targets, ..., 2 repetitions)
    """
    settings = _Settings(seed, epochs, batch_size, lr, target_samples, fine_tune_steps, fine_tune_lr)
    settings.check(sequence, repeats, batch_networks)
    target = net if isinstance(net, Stateless) else Stateless(net)
    place = pick_device(device)
    _check_outputs(target, sequence)
    at_once = batch_networks or _at_once(target, place)
    configuration = {
        "sequence": sequence.description,
        "network": target.fingerprint(settings.of(0), "weights"),
        "settings": asdict(settings),
    }
    kept = Cache(cache, configuration)
    measurement = _Measurement(target, sequence.to(place), settings, kept, place, at_once)
    hidden = {} if progress else {"disable": True}  # None would leave it to tqdm, which shows nothing in a notebook
    with tqdm(total=repeats * measurement.steps, unit="step", unit_scale=True, dynamic_ncols=True, **hidden) as bar:
        meter = Meter(bar.update)
        found = [measurement.repeat(r, meter) for r in range(repeats)]
    return {f"{name}_gain": _gain(name, found, sequence, asdict(settings) | {"repeats": repeats}) for name in MEASURES}


@dataclass(frozen=True)
class _Settings:
    """Everything besides network and tasks on which one repetition depends; see `measured_transfer`."""

    seed: int
    epochs: int
    batch_size: int
    lr: float
    target_samples: int
    fine_tune_steps: int
    fine_tune_lr: float

    def of(self, repeat: int) -> int:
        """The seed of a repetition."""
        return key_seed(self.seed, "measured transfer", repeat)

    def check(self, sequence: TaskSequence, repeats: int, batch_networks: int | None) -> None:
        """Raises a ValueError for the first value that is out of range."""
        whole = {name: vars(self)[name] for name in ("epochs", "batch_size", "target_samples", "fine_tune_steps")}
        whole |= {"repeats": repeats, "batch_networks": 1 if batch_networks is None else batch_networks}
        for name, value in whole.items():
            if not isinstance(value, int) or value < 1:
                raise ValueError(f"expected {name} to be a whole number of at least 1; got {value!r}")
        for name, value in (("lr", self.lr), ("fine_tune_lr", self.fine_tune_lr)):
            if not value > 0:
                raise ValueError(f"expected {name} above 0; got {value!r}")
        for task in sequence:
            if len(task.classes) < 2:
                raise ValueError(
                    f"task {task.name!r} has a single class, to which nothing can be measured to transfer; "
                    "build the sequence with more classes in a task"
                )
            if self.target_samples < 2 * len(task.classes):
                raise ValueError(
                    f"expected target_samples of at least two of each class, {2 * len(task.classes)} for task "
                    f"{task.name!r}; got {self.target_samples}"
                )


@dataclass(frozen=True, eq=False)
class _Measurement:
    """The work of one call: network, tasks on the device, settings, and what is done already."""

    net: Stateless
    sequence: TaskSequence
    settings: _Settings
    cache: Cache
    device: torch.device
    at_once: int

    @property
    def source_steps(self) -> int:
        """Steps in which each source is trained."""
        longest = max(len(task.train) for task in self.sequence)
        return self.settings.epochs * -(-longest // self.settings.batch_size)

    @property
    def steps(self) -> int:
        """Steps of one repetition, of all its networks."""
        tasks = len(self.sequence)
        return tasks * self.source_steps + tasks * (tasks + 1) * self.settings.fine_tune_steps

    def repeat(self, r: int, meter: Meter) -> dict[str, np.ndarray]:
        """Accuracies of one repetition by measure, each `(T + 1, T)`; the last row is the baseline's."""
        tasks = len(self.sequence)
        every: dict[str, list[list[float]]] = {name: [] for name in MEASURES}
        like = dict.fromkeys(MEASURES, tasks + 1)
        networks: Params | None = None
        with meter.phase(tasks * self.source_steps) as tick:
            if not all(self.cache.holds(f"target-{r}-{t}") for t in range(tasks)):
                networks = self._networks(r, tick)
        for t in range(tasks):
            with meter.phase((tasks + 1) * self.settings.fine_tune_steps) as tick:

                def compute(t: int = t, tick: Tick = tick) -> Values:
                    sources = self._networks(r, tick) if networks is None else networks  # None: a damaged file
                    return self._on_target(sources, r, t, tick)

                for name, values in self.cache.values(f"target-{r}-{t}", like, compute).items():
                    every[name].append(values)
        return {name: np.array(columns).T for name, columns in every.items()}

    def _networks(self, r: int, tick: Tick) -> Params:
        """The sources of a repetition and, in the last place, the weights from which they began: `(T + 1, *shape)`."""
        tasks = len(self.sequence)
        initial = {name: value.to(self.device) for name, value in self._initial(r, "weights").items()}
        start = stacked([initial] * (tasks + 1))
        like = {name: value[:tasks] for name, value in start.items()}
        trained = self.cache.tensors(f"sources-{r}", like, lambda: self._sources(like, r, tick))
        return {name: torch.cat([trained[name], value[tasks:]]) for name, value in start.items()}

    def _sources(self, start: Params, r: int, tick: Tick) -> Params:
        """Every task's own network, `(T, *shape)`."""
        seed, size = self.settings.of(r), min(self.settings.batch_size, min(len(task.train) for task in self.sequence))
        orders = [cycled(len(task.train), size, self.source_steps, seed, "source", task.name) for task in self.sequence]

        def batch(step: int, rows: range) -> tuple[Tensor, Tensor]:
            parts = [self.sequence[t].train.take(orders[t][step]) for t in rows]
            return torch.stack([x for x, _ in parts]), torch.stack([y for _, y in parts])

        closed = torch.stack([self._closed(t) for t in range(len(self.sequence))])
        adam = Adam(self.source_steps, self.settings.lr, key_seed(seed, "sources"), self.at_once)
        return train_networks(self.net, start, batch, closed, adam, tick=tick)

    def _on_target(self, networks: Params, r: int, t: int, tick: Tick) -> Values:
        """Accuracies on task t by measure, of every source and, last, of the baseline."""
        task, seed = self.sequence[t], self.settings.of(r)
        index = draw_sample(task.train, self.settings.target_samples, seed, "target sample", task.name)
        sample = list(task.train.batches(index, EVALUATED))
        x, y = torch.cat([x for x, _ in sample]), torch.cat([y for _, y in sample])
        head = self._initial(r, "head", task.name)
        begun = networks | {
            name: head[name].to(self.device).expand_as(networks[name]).clone() for name in self.net.head_names
        }
        order = cycled(len(y), min(self.settings.batch_size, len(y)), self.settings.fine_tune_steps, seed, task.name)
        closed = self._closed(t)
        adam = Adam(
            self.settings.fine_tune_steps, self.settings.fine_tune_lr, key_seed(seed, "target", task.name), self.at_once
        )
        tuned = train_networks(
            self.net,
            begun,
            lambda step, _: (x[order[step]], y[order[step]]),
            closed.expand(len(self.sequence) + 1, -1),
            adam,
            tick=tick,
        )
        return {"linear_probe": self._probed(networks, x, y, t), "fine_tune": self._accuracy(tuned, closed, t)}

    @torch.no_grad()
    def _probed(self, networks: Params, x: Tensor, y: Tensor, t: int) -> list[float]:
        """Test accuracy on task t of a linear classifier on each network's features."""
        found = []
        for some in rows_of(networks, self.at_once):
            seen, _, _ = all_outputs(self.net, some, [(x, y)])
            test, _, test_y = self._tested(some, t)
            found += [float(probe_accuracy(a, y, b, test_y)) for a, b in zip(seen, test, strict=True)]
        return found

    @torch.no_grad()
    def _accuracy(self, networks: Params, closed: Tensor, t: int) -> list[float]:
        """Test accuracy on task t of each network, among the task's own output units."""
        found: list[float] = []
        for some in rows_of(networks, self.at_once):
            _, logits, y = self._tested(some, t)
            found += ((logits + closed).argmax(-1) == y).double().mean(-1).tolist()
        return found

    def _tested(self, networks: Params, t: int) -> tuple[Tensor, Tensor, Tensor]:
        """Features, logits and labels of the test part of task t."""
        test = self.sequence[t].test
        return all_outputs(self.net, networks, test.batches(torch.arange(len(test)), EVALUATED))

    def _initial(self, r: int, *key: int | str) -> Params:
        """Weights with which a network begins in a repetition."""
        return self.net.initial(self.settings.of(r), *key)

    def _closed(self, t: int) -> Tensor:
        """`(k,)`: 0 for the output units of task t, -inf for others."""
        logits = torch.empty(self.net.num_outputs(self.sequence.input_shape), device=self.device)
        return closed(self.sequence[t].outputs, logits)


def _check_outputs(net: Stateless, sequence: TaskSequence) -> None:
    outputs = net.num_outputs(sequence.input_shape)
    if outputs < sequence.num_classes:
        raise ValueError(
            f"the network has {outputs} outputs; {sequence.name} in scenario {sequence.scenario!r} "
            f"needs {sequence.num_classes}. Build it with the sequence's `num_classes`."
        )


def _at_once(net: Stateless, device: torch.device) -> int:
    """How many networks to train together."""
    if device.type != "cpu":
        return 64
    convolves = any(len(shape) > 2 for shape in net.shapes.values())
    return 1 if convolves else 16


def _gain(
    name: str, found: list[dict[str, np.ndarray]], sequence: TaskSequence, settings: dict[str, Any]
) -> TransferMatrix:
    """Accuracy less that of the baseline, of all repetitions."""
    accuracy = np.stack([repeat[name] for repeat in found])  # (R, T + 1, T)
    samples = accuracy[:, :-1] - accuracy[:, -1:]
    names = tuple(task.name for task in sequence)
    notes = {"measure": f"test accuracy of {name}, from the source minus from the initial weights"}
    notes |= {"sequence": sequence.name, "scenario": sequence.scenario}
    notes |= settings | {"baseline": accuracy[:, -1].mean(0).tolist()}
    return TransferMatrix(samples.mean(0), f"{name}_gain", names, names, samples=samples, settings=notes)
