"""Scores of every source on every target, features computed once."""

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Literal, get_args

import numpy as np
import torch
from torch import Tensor, nn

from ..params import Stateless
from ..tasks import Data, TaskSequence
from ._matrix import TransferMatrix
from ._noise import NoiseFloorWarning
from ._outputs import Statistics, all_outputs, draw_sample
from ._sources import Group, Sources, grouped
from ._table import ESTIMATORS, Estimator

__all__ = ["transfer_matrix"]

Score = Callable[[Tensor, Tensor], Any]


def transfer_matrix(
    models: Sources | Mapping[str, nn.Module | Stateless],
    sequence: TaskSequence,
    *,
    estimators: Sequence[str] | Mapping[str, Score] = ("h_score",),
    part: Literal["train", "validation", "test"] = "train",
    samples: int = 1000,
    statistics: Statistics = "stored",
    batch_size: int = 500,
    seed: int = 0,
    source_names: Sequence[str] | None = None,
) -> dict[str, TransferMatrix]:
    """How easily each source would transfer to each target, by every estimator asked for.

    For a source s and a target t the network with the weights of s sees a sample of the data of t, and an estimator
    scores its features (or the probabilities of its own output units) against the labels of t. Nothing is trained,
    and the sources are as they were afterwards: weights, buffers, modes and generators.

    Args:
        models: a learner, each task that it knows a source; or trained networks by name, of any architecture.
        sequence: the targets.
        estimators: names from `ESTIMATORS`; or functions of features `(n, d)` and labels `(n,)`, float64 and int64,
            by names of your own.
        part: which examples of the targets speak for them. With "train" a source is judged on its own task by what it
            was trained on: the diagonal flatters.
        samples: how many, at most: a sample of each target, as many of each class as in the data. The same for all
            sources; that of a task does not depend on the other tasks.
        statistics: with which statistics batch norm works: those "stored" with the source, or those of the "batch",
            which then is the whole sample. Published H-embeddings take the latter.
        batch_size: inputs in one pass, which bounds memory; with statistics="batch" it is the sample.
        seed: draws the samples.
        source_names: of the sources of a learner; by default those of the sequence's tasks, from the first on.

    Returns:
        A matrix for each estimator, by name.

    Warns:
        NoiseFloorWarning: once, if H-scores are near what chance would give.

    Raises:
        ValueError: if an estimator is unknown, there is no source, a network does not take such inputs, a target lacks
            the part or has one class, or the sample is too small; before anything is computed.

    Example:
        >>> import cltoolkit as cl
        >>> sequence = cl.sequences.related_gaussians(3, groups=[0, 0, 1], relatedness=0.9)
        >>> learner = cl.learners.Separate(cl.networks.mlp(sequence.input_shape, (8,), 2), lr=0.01)
        >>> run = cl.train(learner, sequence, epochs=3, progress=False)
        >>> transfer_matrix(learner, sequence)["h_score"]
        TransferMatrix(H-score, 3 sources on 3 targets, ...)
    """
    scores = _scores(estimators)
    groups = list(grouped(models, sequence, source_names))
    _check(sequence, part, samples, statistics, batch_size, groups)
    sources = tuple(name for group in groups for name in group.names)
    columns = []
    noise = _Noise()
    with torch.inference_mode():
        for task in sequence:
            data = task.parts[part]
            index = draw_sample(data, samples, seed, "transfer sample", task.name, part)
            size = len(index) if statistics == "batch" else batch_size
            cells = [_cells(group, data, index, size, statistics, scores, noise) for group in groups]
            columns.append({name: np.concatenate([cell[name] for cell in cells], -1) for name in scores})  # (2, S)
    noise.tell(len(scores) * len(sources) * len(sequence), samples)
    settings = {
        "models": type(models).__name__ if isinstance(models, Sources) else "modules",
        "sequence": sequence.name,
        "scenario": sequence.scenario,
        "part": part,
        "samples": samples,
        "statistics": statistics,
        "seed": seed,
    }
    targets = tuple(task.name for task in sequence)
    return {
        name: _matrix(np.stack([column[name] for column in columns], -1), name, sources, targets, settings)
        for name in scores
    }


def _matrix(
    cells: np.ndarray, name: str, sources: tuple[str, ...], targets: tuple[str, ...], settings: dict[str, Any]
) -> TransferMatrix:
    """The matrix of values and floors `(2, S, T)`."""
    values, floor = cells
    known = None if np.isnan(floor).all() else floor
    return TransferMatrix(values, name, sources, targets, floor=known, settings=dict(settings))


def _scores(estimators: Sequence[str] | Mapping[str, Score]) -> dict[str, Estimator | Score]:
    """What scores, by name."""
    if isinstance(estimators, str):
        estimators = (estimators,)
    if not estimators:
        raise ValueError(f"expected at least one estimator, such as 'h_score'; known are {sorted(ESTIMATORS)}")
    if isinstance(estimators, Mapping):
        return dict(estimators)
    unknown = [name for name in estimators if name not in ESTIMATORS]
    if unknown:
        raise ValueError(f"no estimator {unknown}; known are {sorted(ESTIMATORS)}, or give {{name: function}}")
    return {name: ESTIMATORS[name] for name in estimators}


def _check(
    sequence: TaskSequence, part: str, samples: int, statistics: str, batch_size: int, groups: Sequence[Group]
) -> None:
    """Raises a ValueError if something could only fail later."""
    if statistics not in get_args(Statistics):
        raise ValueError(f"expected statistics='stored' or 'batch'; got {statistics!r}")
    if batch_size < 1:
        raise ValueError(f"expected a batch_size of at least 1; got {batch_size}")
    names = [name for group in groups for name in group.names]
    if len(set(names)) < len(names):
        raise ValueError(f"expected sources with names of their own; got {names}")
    for task in sequence:
        if part not in task.parts:
            raise ValueError(f"task {task.name!r} has no {part} examples; its parts are {list(task.parts)}")
        classes = len(task.parts[part].y.unique())
        if classes < 2:
            raise ValueError(
                f"task {task.name!r} has examples of a single class, to which transfer is not defined; "
                "build the sequence with more classes in a task"
            )
        if samples < 2 * classes:
            raise ValueError(
                f"expected samples of at least two of each class, {2 * classes} for task {task.name!r}; got {samples}"
            )


def _cells(
    group: Group,
    data: Data,
    index: Tensor,
    batch_size: int,
    statistics: Statistics,
    scores: Mapping[str, Estimator | Score],
    noise: "_Noise",
) -> dict[str, np.ndarray]:
    """By estimator: value and noise floor of every source in a group on one target, `(2, S)`."""
    batches = data.batches(index, batch_size)
    features, logits, labels = all_outputs(group.net, group.params, batches, statistics=statistics)
    cells = {name: np.full((2, len(group.names)), np.nan) for name in scores}
    for s, units in enumerate(group.units):
        row = features[s].double()
        seen = {"features": row}
        if any(isinstance(score, Estimator) and score.needs == "probabilities" for score in scores.values()):
            seen["probabilities"] = logits[s][:, list(units)].double().softmax(-1)
        for name, score in scores.items():
            with noise.counted():
                cells[name][0, s] = _value(score, seen, labels)
            if isinstance(score, Estimator) and score.floor is not None:
                cells[name][1, s] = score.floor(len(row), row.shape[1], len(labels.unique()))
    return cells


def _value(score: Estimator | Score, seen: Mapping[str, Tensor], labels: Tensor) -> float:
    """One source on one target."""
    if isinstance(score, Estimator):
        return float(score.of(seen[score.needs], labels))
    return float(score(seen["features"], labels))


class _Noise:
    """Counts the cells that say little, instead of a warning for each."""

    def __init__(self) -> None:
        self.cells = 0

    @contextmanager
    def counted(self) -> Iterator[None]:
        """Keeps back warnings of noise, and counts one."""
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", NoiseFloorWarning)
            yield
        told = [w for w in caught if issubclass(w.category, NoiseFloorWarning)]
        self.cells += bool(told)
        for other in caught:
            if other not in told:
                warnings.warn_explicit(other.message, other.category, other.filename, other.lineno)

    def tell(self, of: int, samples: int) -> None:
        """One warning for all of them."""
        if self.cells:
            warnings.warn(
                f"{self.cells} of {of} scores from samples of at most {samples} say little: features that say nothing "
                "of the labels would reach nearly as much. See `.floor`; take more samples, or the estimators "
                "'h_score_shrinkage' and 'h_score_adjusted'",
                NoiseFloorWarning,
                stacklevel=3,
            )
