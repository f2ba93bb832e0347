"""H-scores of all pairs of tasks against the textbook way, and the memory of the streaming form."""

import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from cltoolkit.transferability import FeatureStatistics, NoiseFloorWarning, h_score

from ._report import HERE, Result, Row, ratio
from ._timing import Spread, spread, take_turns

PEAK = """
import resource, torch
from benchmarks.transferability import Stream
statistics = Stream({examples}, {dim}).statistics()
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@dataclass(frozen=True)
class Pairs:
    """Features of every target's examples in every source, float32 as networks give them, and the targets' labels."""

    sources: int
    targets: int
    examples: int
    dim: int
    classes: int = 10

    def make(self) -> list[tuple[Tensor, Tensor]]:
        """For each target `(sources, n, d)` and `(n,)`: windows of one pool, as the examples' order is random."""
        generator, step = torch.Generator().manual_seed(0), max(1, self.examples // 20)
        pool = torch.randn(self.examples + self.targets * step, 128, generator=generator)
        labels = (pool @ torch.randn(128, self.classes, generator=generator)).argmax(1)
        weights = torch.randn(self.sources, 128, self.dim, generator=generator) / 128**0.5
        features = torch.relu(pool @ weights + 0.5)
        windows = [slice(t * step, t * step + self.examples) for t in range(self.targets)]
        return [(features[:, rows], labels[rows]) for rows in windows]


@dataclass(frozen=True)
class Stream:
    """Examples that are made batch by batch, and the same at every pass."""

    examples: int
    dim: int
    classes: int = 10

    def batches(self, size: int = 4000) -> Iterator[tuple[Tensor, Tensor]]:
        for number in range(0, self.examples, size):
            generator = torch.Generator().manual_seed(number)
            labels = torch.randint(self.classes, (min(size, self.examples - number),), generator=generator)
            features = torch.randn(len(labels), self.dim, generator=generator)
            features[:, : self.classes] += torch.nn.functional.one_hot(labels, self.classes)
            yield features + 3, labels

    def statistics(self) -> FeatureStatistics:
        statistics = FeatureStatistics()
        for features, labels in self.batches():
            statistics.update(features, labels)
        return statistics


def run(quick: bool = False) -> Result:
    """The matrix for few and for many features; peak memory of ten times as many examples; streaming is one shot."""
    sizes = ((3, 8), (3, 12)) if quick else ((20, 64), (20, 512))
    examples, stream = (60, Stream(3000, 12)) if quick else (1000, Stream(10**6, 512))
    turns = 2 if quick else 3
    rows, notes = [], []
    for tasks, dim in sizes:
        row, difference = _matrix(Pairs(tasks, tasks, examples, dim), turns)
        rows.append(row)
        notes.append(f"Largest difference of the {tasks * tasks} values at d = {dim}: {difference:.1e}.")
    rows.append(_memory(stream))
    notes.append(
        f"Streaming {stream.examples} examples of d = {stream.dim} in batches of other sizes against one shot: "
        f"largest relative difference {_streamed(stream):.1e}."
    )
    return Result("transferability", "Transferability: H-scores of all pairs", rows, {"turns": turns}, notes)


def _matrix(pairs: Pairs, turns: int) -> tuple[Row, float]:
    """How much longer the textbook way takes, and by how much the values differ."""
    data, values = pairs.make(), dict[str, Tensor]()
    name = f"{pairs.sources} × {pairs.targets}, n = {pairs.examples}, d = {pairs.dim}: cov and pinv, pair by pair"
    calls: dict[str, Callable[[], object]] = {
        name: lambda: values.update(textbook=_one_pair_at_a_time(data)),
        "h_score": lambda: values.update(ours=_all_sources_at_once(data)),
    }
    times = take_turns(calls, turns=turns, block=None)
    difference = float((values["ours"] - values["textbook"]).abs().max())
    if not difference < 1e-8:
        raise RuntimeError(f"expected the same values from both ways; they differ by up to {difference}")
    return ratio(times, name, "h_score", at_least=8 if pairs.dim == 512 else None), difference


def _all_sources_at_once(data: list[tuple[Tensor, Tensor]]) -> Tensor:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NoiseFloorWarning)
        return torch.stack([h_score(features, labels) for features, labels in data], 1)  # (sources, targets)


def _one_pair_at_a_time(data: list[tuple[Tensor, Tensor]]) -> Tensor:
    pairs = [[_textbook(one.numpy(), labels.numpy()) for one in features] for features, labels in data]
    return torch.tensor(pairs, dtype=torch.float64).T


def _textbook(features: np.ndarray, labels: np.ndarray) -> float:
    """tr(pinv(cov(f)) cov(E[f | y])), as it is written."""
    f = features.astype(np.float64)
    g = np.zeros_like(f)
    for label in np.unique(labels):
        g[labels == label] = f[labels == label].mean(0)
    return float(np.trace(np.linalg.pinv(np.cov(f, rowvar=False), rcond=1e-15) @ np.cov(g, rowvar=False)))


def _memory(stream: Stream) -> Row:
    """Peak memory of a process that streams all examples, against one that streams a tenth of them."""
    many, few = (_peak(Stream(count, stream.dim)) for count in (stream.examples, stream.examples // 10))
    value: Spread = spread([many / few])
    what = f"peak memory, {stream.examples} examples streamed, d = {stream.dim}"
    return Row(what, f"{stream.examples // 10} examples", value, "×", at_most=1.05)


def _peak(stream: Stream) -> int:
    """Largest resident memory of a fresh process that streams them, in the system's unit."""
    code = PEAK.format(examples=stream.examples, dim=stream.dim)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=HERE.parent)
    return int(done.stdout)


def _streamed(stream: Stream) -> float:
    """Relative difference between all examples at once and batches of several sizes."""
    parts = list(stream.batches())
    features, labels = torch.cat([f for f, _ in parts]), torch.cat([y for _, y in parts])
    del parts
    whole, differences = h_score(features, labels), []
    for size in (stream.examples // 3 + 1, 1237):
        statistics = FeatureStatistics()
        for some, y in zip(features.split(size), labels.split(size), strict=True):
            statistics.update(some, y)
        differences.append(float((statistics.h_score() / whole - 1).abs()))
    return max(differences)
