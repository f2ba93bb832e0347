"""Known experiments, run through the package: accuracy and backward transfer, with settings, seeds and time."""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from cltoolkit import Run, TaskSequence, metrics, networks, sequences, train
from cltoolkit.learners import Finetune, HyperNet, Joint, Learner, Separate

from ._report import environment, missing_data, store, stored, write_facts

__all__ = ["EXPERIMENTS", "Experiment", "Trial", "run"]


@dataclass(frozen=True)
class Trial:
    """A learner under settings, and what it is expected to reach on average over the seeds.

    Attributes:
        make: the learner for a target network.
        at_least: bars by measure, "accuracy" or "bwt".
        at_most: likewise.
    """

    label: str
    make: Callable[[nn.Module], Learner]
    epochs: int
    batch: int
    seeds: tuple[int, ...]
    at_least: Mapping[str, float] = field(default_factory=dict)
    at_most: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Experiment:
    """A sequence, a target network, and the learners that are tried on it."""

    title: str
    sequence: Callable[[int], TaskSequence]  # of a seed
    hidden: tuple[int, ...]
    trials: tuple[Trial, ...]
    downloaded: bool = False  # whether the data must be in $CLTOOLKIT_DATA


SEEDS = (0, 1, 2)

EXPERIMENTS = {
    "split_digits": Experiment(
        "split digits, 5 x 2, task-incremental",
        lambda seed: sequences.split_digits(seed=seed),
        (64, 64),
        (
            Trial("HyperNet", HyperNet, 20, 32, SEEDS, {"accuracy": 0.975, "bwt": -0.01}),
            Trial("Finetune", Finetune, 20, 32, SEEDS, {}, {"accuracy": 0.85}),
            Trial("Joint", Joint, 20, 32, SEEDS),
            Trial("Separate", Separate, 20, 32, SEEDS),
        ),
    ),
    "split_mnist": Experiment(
        "split MNIST, 5 x 2, task-incremental",
        lambda seed: sequences.split_mnist(seed=seed, download=False),
        (400, 400),
        (
            Trial("HyperNet", HyperNet, 5, 128, SEEDS, {"accuracy": 0.99, "bwt": -0.005}),
            Trial("Finetune", Finetune, 5, 128, SEEDS),
        ),
        downloaded=True,
    ),
    "permuted_digits_100": Experiment(
        "permuted digits, 100 tasks, task-incremental",
        lambda seed: sequences.permuted_digits(100, seed=seed),
        (64, 64),
        (
            Trial("HyperNet, 16 earlier tasks sampled (default)", HyperNet, 10, 32, (0, 1)),
            Trial("HyperNet, all earlier tasks", lambda net: HyperNet(net, max_tasks=None), 10, 32, (0, 1)),
        ),
    ),
    "permuted_mnist": Experiment(
        "permuted MNIST, 10 tasks, task-incremental",
        lambda seed: sequences.permuted_mnist(10, seed=seed, download=False),
        (400, 400),
        (Trial("HyperNet", HyperNet, 5, 128, (0,)),),
        downloaded=True,
    ),
}


def run(names: Iterable[str], *, quick: bool = False, out: Path | None = None) -> None:
    """Runs the experiments one after the other; what is finished is printed and written down at once."""
    for name in names:
        experiment = EXPERIMENTS[name]
        if missing := missing_data("MNIST/raw" if experiment.downloaded else ""):
            print(f"## {experiment.title}\n\nSkipped: {missing}\n")
            continue
        found = []
        for trial in experiment.trials:
            found.append(_found(trial, _train(experiment, trial, quick)))
            print(f"{experiment.title}, {found[-1]['label']}: {' | '.join(_cells(found[-1])[1:])}", flush=True)
            if out is not None:
                _save(name, experiment, found, out)


def _train(experiment: Experiment, trial: Trial, quick: bool) -> list[tuple[Run, float]]:
    """A finished run for every seed, with the seconds that it took, measurements included."""
    runs = []
    for seed in trial.seeds[:1] if quick else trial.seeds:
        sequence = experiment.sequence(seed)[:2] if quick else experiment.sequence(seed)
        net = networks.mlp(sequence.input_shape, (8,) if quick else experiment.hidden, sequence.num_classes)
        begin = time.perf_counter()
        finished = train(
            trial.make(net),
            sequence,
            seed=seed,
            epochs=1 if quick else trial.epochs,
            batch_size=trial.batch,
            device="cpu",
            progress=False,
        )
        runs.append((finished, time.perf_counter() - begin))
    return runs


def _found(trial: Trial, runs: list[tuple[Run, float]]) -> dict[str, Any]:
    """What a trial came to, in JSON's types."""
    matrices = [finished.accuracy for finished, _ in runs]
    return {
        "label": trial.label,
        "accuracy": [float(metrics.average_accuracy(matrix)) for matrix in matrices],
        "bwt": [float(metrics.backward_transfer(matrix)) for matrix in matrices],
        "seconds": [seconds for _, seconds in runs],
        "seeds": [finished.seed for finished, _ in runs],
        "epochs": trial.epochs,
        "batch": trial.batch,
        "at_least": dict(trial.at_least),
        "at_most": dict(trial.at_most),
        "config": runs[0][0].config["learner"]["config"],
    }


def _cells(found: Mapping[str, Any]) -> list[str]:
    """One row of the table."""
    accuracy, bwt = (f"{np.mean(found[key]):.4f} ({_range(found[key])})" for key in ("accuracy", "bwt"))
    settings = f"{found['epochs']} epochs, batch {found['batch']}, seeds {', '.join(map(str, found['seeds']))}"
    return [found["label"], accuracy, bwt, f"{np.mean(found['seconds']):.0f} s", settings, _bars(found)]


def _range(values: list[float]) -> str:
    return f"{min(values):.4f} to {max(values):.4f}"


def _bars(found: Mapping[str, Any]) -> str:
    """Each bar, and whether the mean over seeds meets it."""
    bars = [(key, "≥", bar, np.mean(found[key]) >= bar) for key, bar in found["at_least"].items()]
    bars += [(key, "≤", bar, np.mean(found[key]) <= bar) for key, bar in found["at_most"].items()]
    return "; ".join(f"{key} {sign} {bar}: {'met' if met else '**not met**'}" for key, sign, bar, met in bars)


def _save(name: str, experiment: Experiment, found: list[dict[str, Any]], out: Path) -> None:
    """Puts the results so far in the place of older ones, and writes the table of all experiments anew."""
    every = stored("experiments", out)
    every[name] = {
        "title": experiment.title,
        "target": f"MLP {'-'.join(map(str, experiment.hidden))}",
        "trials": found,
        "environment": environment() | {"threads": torch.get_num_threads()},
    }
    every = {key: every[key] for key in EXPERIMENTS if key in every}
    store("experiments", every, _text(every), out)


def _text(every: Mapping[str, Any]) -> str:
    """All experiments in Markdown."""
    parts = [
        "# Experiments\n\nMeans over seeds, with the range. Accuracy: average over all tasks after the last. bwt: "
        "backward transfer. Time: of one run, all measurements included."
    ]
    for name, one in every.items():
        rows = "\n".join(f"| {' | '.join(_cells(found))} |" for found in one["trials"])
        configs = "\n".join(f"- {found['label']}: {write_facts(found['config'])}" for found in one["trials"])
        parts.append(
            f"## {one['title']}\n\n`python -m benchmarks {name}`; target {one['target']}; "
            f"{write_facts(one['environment'])}\n\n| learner | accuracy | bwt | time | settings | bars "
            f"|\n|---|---|---|---|---|---|\n{rows}\n\n{configs}"
        )
    return "\n\n".join(parts) + "\n"
