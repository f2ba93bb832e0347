"""Which estimator to trust? Scores of transferability against transfer as it was measured."""

import math
import time
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from torch import nn

from cltoolkit import TaskSequence, networks, sequences, train
from cltoolkit.learners import Separate
from cltoolkit.transferability import (
    ESTIMATORS,
    NoiseFloorWarning,
    TransferMatrix,
    agreement,
    measured_transfer,
    transfer_matrix,
)

from ._agreement_text import AGAIN, INTRODUCTION, QUESTIONS, section
from ._report import HERE, environment, missing_data, store, stored

__all__ = ["STUDIES", "Study", "run"]

CACHE = HERE.parent / "runs" / "agreement"
ANGLES = (0, 15, 30, 45, 60, 75, 90)


@dataclass(frozen=True)
class Study:
    """A sequence and a target network on which estimators are compared with measured transfer.

    Attributes:
        sequence, net: the tasks, of a seed, and the network.
        epochs, batch, lr: how sources are trained, both those that are scored and those whose gains are measured.
        target_samples, steps, fine_tune_lr: what there is of a target, and how the network is tuned to it.
        seeds: everything is done anew for each: data parts, weights, orders, samples.
        closeness: `(T, T)`, how close tasks are known to be, if that is known.
        data: the folder that $CLTOOLKIT_DATA must hold.
    """

    title: str
    sequence: Callable[[int], TaskSequence]
    net: Callable[[TaskSequence], nn.Module]
    epochs: int
    batch: int
    lr: float
    target_samples: int
    steps: int
    fine_tune_lr: float
    seeds: tuple[int, ...]
    closeness: np.ndarray | None = None
    data: str = ""

    @property
    def settings(self) -> dict[str, Any]:
        """The numbers, in JSON's types."""
        names = ("epochs", "batch", "lr", "target_samples", "steps", "fine_tune_lr")
        return {name: vars(self)[name] for name in names}


STUDIES = {
    "rotated_digits": Study(
        "rotated digits, 7 angles, MLP 64-64-64-10",
        lambda seed: sequences.rotated_digits(ANGLES, seed=seed),
        lambda sequence: networks.mlp(sequence.input_shape, (64, 64), sequence.num_classes),
        epochs=20,
        batch=32,
        lr=3e-3,
        target_samples=100,
        steps=50,
        fine_tune_lr=1e-3,
        seeds=tuple(range(10)),
        closeness=-np.abs(np.subtract.outer(ANGLES, ANGLES)).astype(float),
    ),
    "cifar100_superclasses": Study(
        "CIFAR-100, 20 superclasses of 5 classes, LeNet-5",
        lambda seed: sequences.cifar100_superclasses(validation=0, seed=seed, download=False, verify=False),
        lambda sequence: networks.lenet(sequence.input_shape, sequence.num_classes),
        epochs=6,
        batch=32,
        lr=1e-3,
        target_samples=250,
        steps=50,
        fine_tune_lr=1e-3,
        seeds=(0, 1),
        data="cifar-100-python",
    ),
}


def run(names: Iterable[str], *, quick: bool = False, out: Path | None = None) -> None:
    """Runs the studies. What is computed is kept in runs/agreement, from where an interrupted one goes on."""
    for name in names:
        study = STUDIES[name]
        if missing := missing_data(study.data):
            print(f"## {study.title}\n\nSkipped: {missing}\n")
            continue
        found = _found(study, quick, None if quick else CACHE / name)
        print(f"{section(name, found)}\n", flush=True)
        if out is not None:
            _write(stored("agreement", out) | {name: found}, out)


def _found(study: Study, quick: bool, cache: Path | None) -> dict[str, Any]:
    """What a study came to, in JSON's types."""
    seeds = study.seeds[:2] if quick else study.seeds
    every = []
    for seed in seeds:
        begin = time.perf_counter()
        every.append(_once(study, seed, quick, cache))
        print(f"{study.title}, seed {seed}: {time.perf_counter() - begin:.0f} s", flush=True)
    matrices = {name: _mean([one[name] for one in every]) for name in every[0]}
    scores = {name: matrix for name, matrix in matrices.items() if name in ESTIMATORS}
    gains = {name: matrix for name, matrix in matrices.items() if name not in ESTIMATORS}
    truths = gains | _closeness(study, gains["fine_tune_gain"])
    single = [{name: one[name] for name in scores} for one in every]
    frames = [_agreement(scores, gains, truths, single, over, 20 if quick else 2000) for over in QUESTIONS]
    return {
        "title": study.title,
        "settings": study.settings | {"score_samples": scores["h_score"].settings["samples"], "seeds": list(seeds)},
        "environment": environment(),
        "sources": _accuracies(scores["h_score"]),
        "gains": [_gain(matrix) for matrix in gains.values()],
        "own_first": {name: _own_first(matrix) for name, matrix in (scores | gains).items()},
        "agreement": _as_json(pd.concat(frames)),
    }


def _once(study: Study, seed: int, quick: bool, cache: Path | None) -> dict[str, TransferMatrix]:
    """Scores by all estimators, and measured gains, of one seed."""
    sequence = study.sequence(seed)
    if quick:
        sequence = sequence[:4]
    gains = measured_transfer(
        study.net(sequence),
        sequence,
        seed=seed,
        repeats=1,
        epochs=1 if quick else study.epochs,
        batch_size=study.batch,
        lr=study.lr,
        target_samples=study.target_samples,
        fine_tune_steps=2 if quick else study.steps,
        fine_tune_lr=study.fine_tune_lr,
        cache=cache,
        device="cpu",
        progress=False,
    )
    return _scores(study, sequence, seed, quick, cache) | gains


def _scores(
    study: Study, sequence: TaskSequence, seed: int, quick: bool, cache: Path | None
) -> dict[str, TransferMatrix]:
    """Every estimator's matrix of networks trained on each task alone; read back if they were kept."""
    settings = study.settings | {"sequence": sequence.description, "seed": seed}
    files = {name: (cache or CACHE) / f"scores-{seed}-{name}.json" for name in ESTIMATORS}
    if cache is not None and all(file.exists() for file in files.values()):
        kept = {name: TransferMatrix.open(file) for name, file in files.items()}
        if all(matrix.settings["study"] == settings for matrix in kept.values()):
            return kept
    learner = Separate(study.net(sequence), lr=study.lr)
    epochs = 1 if quick else study.epochs
    record = train(learner, sequence, seed=seed, epochs=epochs, batch_size=study.batch, device="cpu", progress=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NoiseFloorWarning)
        found = transfer_matrix(learner, sequence, estimators=tuple(ESTIMATORS), seed=seed)
    for name, matrix in found.items():
        matrix.settings.update(study=settings, accuracy=record.accuracy.diagonal(-1).tolist())
        if cache is not None:
            matrix.save(files[name])
    return found


def _mean(matrices: Sequence[TransferMatrix]) -> TransferMatrix:
    """The mean over seeds, with the seeds as its repetitions."""
    first, values = matrices[0], np.stack([matrix.values for matrix in matrices])
    keys = [key for key in ("accuracy", "baseline") if key in first.settings]
    means = {key: np.mean([matrix.settings[key] for matrix in matrices], 0).tolist() for key in keys}
    settings = first.settings | means
    return TransferMatrix(
        values.mean(0), first.estimator, first.sources, first.targets, samples=values, settings=settings
    )


def _closeness(study: Study, like: TransferMatrix) -> dict[str, TransferMatrix]:
    if study.closeness is None:
        return {}
    count = len(like.sources)
    values = study.closeness[:count, :count]
    return {"closeness": TransferMatrix(values, "closeness", like.sources, like.targets)}


def _agreement(
    scores: Mapping[str, TransferMatrix],
    gains: Mapping[str, TransferMatrix],
    truths: Mapping[str, TransferMatrix],
    single: Sequence[Mapping[str, TransferMatrix]],
    over: str,
    resamples: int,
) -> pd.DataFrame:
    """All agreements of one kind: of mean scores, of the scores of one seed ("single"), of one half of the gains."""
    parts = [agreement(scores, truths, over=over, resamples=resamples)]
    keys = ["estimator", "truth", "measure"]
    alone = pd.concat([agreement(one, truths, over=over, resamples=1) for one in single])
    parts[0] = parts[0].merge(alone.groupby(keys)["value"].mean().rename("single").reset_index(), on=keys)
    if "closeness" in truths:
        parts.append(agreement(gains, truths["closeness"], over=over, resamples=resamples))
    for name, matrix in gains.items():
        first, second = (_mean_of(matrix, slice(i, None, 2)) for i in (0, 1))
        parts.append(agreement({AGAIN: first}, {name: second}, over=over, resamples=resamples))
    return pd.concat(parts).assign(over=over)


def _mean_of(matrix: TransferMatrix, some: slice) -> TransferMatrix:
    """The mean of some of the repetitions."""
    values = np.asarray(matrix.samples)[some].mean(0)
    return TransferMatrix(values, matrix.estimator, matrix.sources, matrix.targets)


def _accuracies(matrix: TransferMatrix) -> dict[str, float]:
    """Test accuracies of the scored networks, each on its own task."""
    values = matrix.settings["accuracy"]
    return {"mean": float(np.mean(values)), "lowest": min(values), "highest": max(values)}


def _gain(matrix: TransferMatrix) -> dict[str, Any]:
    """Measured gains in numbers."""
    own = np.eye(len(matrix.sources), dtype=bool)
    low, high = matrix.interval()
    others = matrix.values[~own]
    return {
        "measure": matrix.estimator,
        "baseline": float(np.mean(matrix.settings["baseline"])),
        "own": float(matrix.values[own].mean()),
        "others": float(others.mean()),
        "others_lowest": float(others.min()),
        "others_highest": float(others.max()),
        "helps": int((low[~own] > 0).sum()),
        "harms": int((high[~own] < 0).sum()),
        "pairs": int((~own).sum()),
    }


def _own_first(matrix: TransferMatrix) -> int:
    """The number of targets whose own network comes first."""
    return int((matrix.ranks().diagonal() == 1).sum())


def _as_json(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows, with None for NaN."""
    rows = frame.to_dict("records")
    return [{str(k): None if isinstance(v, float) and math.isnan(v) else v for k, v in row.items()} for row in rows]


def _write(every: Mapping[str, Any], out: Path) -> None:
    ordered = {name: every[name] for name in STUDIES if name in every}
    text = "\n\n".join([INTRODUCTION, *(section(name, found) for name, found in ordered.items())])
    store("agreement", ordered, f"{text}\n", out)
