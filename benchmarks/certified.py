"""What is certified, and what an attack makes of it: every learner with intervals beside those without."""

import json
import math
import time
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from cltoolkit import Run, TaskSequence, metrics, networks, sequences, train
from cltoolkit.intervals import Certificate, attack, breaking_radius, certify, certify_embedding
from cltoolkit.learners import (
    Finetune,
    HyperInterval,
    HyperNet,
    InterContiNet,
    IntervalLearner,
    Learner,
    VacuousWarning,
)
from cltoolkit.randomness import stream
from cltoolkit.tasks import Data

from ._certified_text import section, text
from ._report import environment, missing_data, store, stored, write_facts

__all__ = ["STUDIES", "Study", "Trial", "run"]

STEPS, RESTARTS = 20, 3  # of an attack: two at the center and at the corner that its gradient points to, one at random
BREAKS = 0.5  # the share of what is answered right that must stay certified
NARROW = 1e-8  # boxes of this width have no radius to speak of


@dataclass(frozen=True)
class Trial:
    """A learner under settings, and what it is expected to reach on average over the seeds.

    Attributes:
        scenario: "task", "domain" or "class".
        make: the learner for a target network.
        net: the target network for a sequence.
        at_least, at_most: bars by measure.
        above: the trial whose accuracy is to be passed clearly, by its label.
    """

    scenario: str
    make: Callable[[nn.Module], Learner]
    net: Callable[[TaskSequence], nn.Module]
    epochs: int
    batch: int
    seeds: tuple[int, ...] = (0, 1, 2)
    at_least: Mapping[str, float] = field(default_factory=dict)
    at_most: Mapping[str, float] = field(default_factory=dict)
    above: str = ""


@dataclass(frozen=True)
class Study:
    """A data set, and the learners whose certificates are compared on it.

    Attributes:
        sequence: the tasks, of a seed and a scenario.
        trials: by label.
        attacked: test examples of each task that are attacked, at most.
        embedded: test examples of each task that are certified in embedding coordinates, at most.
        data: the folder that $CLTOOLKIT_DATA must hold.
    """

    title: str
    sequence: Callable[[int, str], TaskSequence]
    trials: Mapping[str, Trial]
    attacked: int = 500
    embedded: int = 200
    data: str = ""


def _mlp(*hidden: int) -> Callable[[TaskSequence], nn.Module]:
    return lambda sequence: networks.mlp(sequence.input_shape, hidden, sequence.num_classes)


def _conv(*, batch_norm: bool = False) -> Callable[[TaskSequence], nn.Module]:
    """Two convolutions and a head: every layer more makes bounds wider."""

    def make(sequence: TaskSequence) -> nn.Module:
        channels, height, width = sequence.input_shape
        inner = 16 * math.prod(-(-side // 4) for side in (height, width))
        first, second = (nn.Conv2d(a, b, 5, stride=2, padding=2) for a, b in ((channels, 8), (8, 16)))
        norms = [[nn.BatchNorm2d(size)] if batch_norm else [] for size in (8, 16)]
        layers = [first, *norms[0], nn.ReLU(), second, *norms[1], nn.ReLU(), nn.Flatten()]
        return nn.Sequential(*layers, nn.Linear(inner, sequence.num_classes))

    return make


def _lenet(sequence: TaskSequence) -> nn.Module:
    return networks.lenet(sequence.input_shape, sequence.num_classes)


def _narrow(net: nn.Module) -> Learner:
    """For some hundred thousand weights in fully connected layers, whose bounds grow with every input they add up."""
    return HyperInterval(net, radius=0.03)


def _guided(net: nn.Module) -> Learner:
    return HyperInterval(net, guidance="distance")


DIGITS: dict[str, Any] = {"net": _mlp(64, 64), "epochs": 20, "batch": 32}
MNIST: dict[str, Any] = {"net": _mlp(400, 400), "epochs": 3, "batch": 128, "seeds": (0,)}
CONV: dict[str, Any] = MNIST | {"net": _conv()}

STUDIES = {
    "split_digits": Study(
        "split digits, 5 × 2, MLP 64-64",
        lambda seed, scenario: sequences.split_digits(seed=seed, scenario=scenario),
        {
            "HyperInterval, task": Trial(
                "task",
                HyperInterval,
                **DIGITS,
                at_least={"accuracy": 0.97, "certified": 0.93, "width": 1e-3},
                at_most={"seconds": 30},
            ),
            "HyperInterval guided by distance, task": Trial("task", _guided, **DIGITS),
            "InterContiNet, task": Trial("task", InterContiNet, **DIGITS),
            "HyperNet, task": Trial("task", HyperNet, **DIGITS),
            "Finetune, task": Trial("task", Finetune, **DIGITS),
            "HyperInterval, domain": Trial("domain", HyperInterval, **DIGITS, above="Finetune, domain"),
            "InterContiNet, domain": Trial("domain", InterContiNet, **DIGITS),
            "Finetune, domain": Trial("domain", Finetune, **DIGITS),
            "HyperInterval, class": Trial("class", HyperInterval, **DIGITS),
            "InterContiNet, class": Trial("class", InterContiNet, **DIGITS),
            "HyperNet, class": Trial("class", HyperNet, **DIGITS),
            "Finetune, class": Trial("class", Finetune, **DIGITS),
        },
    ),
    "split_mnist": Study(
        "split MNIST, 5 × 2, MLP 400-400",
        lambda seed, scenario: sequences.split_mnist(seed=seed, scenario=scenario, download=False),
        {
            "HyperInterval, γ = 0.03, task": Trial(
                "task",
                _narrow,
                **MNIST | {"epochs": 5},
                at_least={"accuracy": 0.985, "certified": 0.95, "width": 1e-8},
            ),
            "InterContiNet, task": Trial("task", InterContiNet, **MNIST),
            "HyperInterval, domain": Trial("domain", HyperInterval, **MNIST, above="Finetune, domain"),
            "InterContiNet, domain": Trial("domain", InterContiNet, **MNIST),
            "Finetune, domain": Trial("domain", Finetune, **MNIST),
        },
        data="MNIST",
    ),
    "split_mnist_conv": Study(
        "split MNIST, 5 × 2, convolutional targets",
        lambda seed, scenario: sequences.split_mnist(seed=seed, scenario=scenario, download=False),
        {
            "HyperInterval, conv 8-16": Trial("task", HyperInterval, **CONV, at_least={"width": 1e-8}),
            "HyperInterval, conv 8-16 with batch norm": Trial(
                "task", HyperInterval, **CONV | {"net": _conv(batch_norm=True)}
            ),
            "InterContiNet, conv 8-16": Trial("task", InterContiNet, **CONV),
            "HyperInterval, LeNet-5": Trial("task", HyperInterval, **CONV | {"net": _lenet}),
        },
        data="MNIST",
    ),
}


def run(names: Iterable[str], *, quick: bool = False, out: Path | None = None) -> None:
    """Runs the studies; each finished run is written down at once, and under the same settings not trained again."""
    for name in names:
        study = STUDIES[name]
        if missing := missing_data(study.data):
            print(f"## {study.title}\n\nSkipped: {missing}\n")
            continue
        every = stored("certified", out)
        found = every.setdefault(name, {"title": study.title, "environment": environment(), "trials": {}})
        for label, trial in study.trials.items():
            settings = _settings(study, trial)
            if found["trials"].get(label, {}).get("settings") != settings:
                found["trials"][label] = {"settings": settings, "runs": {}}
            runs = found["trials"][label]["runs"]
            for seed in trial.seeds[:1] if quick else trial.seeds:
                if str(seed) in runs:
                    continue
                runs[str(seed)] = _trained(study, trial, seed, quick)
                shown = {key: value for key, value in runs[str(seed)].items() if key != "tasks"}
                print(f"{study.title}, {label}, seed {seed}: {write_facts(shown)}", flush=True)
                if out is not None:
                    _write(every, out)
        print(f"{section(name, found, study.trials)}\n", flush=True)


def _settings(study: Study, trial: Trial) -> dict[str, Any]:
    """What a result depends on, in JSON's types."""
    sequence = study.sequence(0, trial.scenario)
    learner = trial.make(trial.net(sequence))
    own = {"learner": learner.name, "scenario": trial.scenario, "epochs": trial.epochs, "batch": trial.batch}
    looks = {"attacked": study.attacked, "steps": STEPS, "restarts": RESTARTS, "embedded": study.embedded}
    looks = looks if isinstance(learner, IntervalLearner) else {}
    return json.loads(json.dumps(own | {"weights": learner.net.size, "looks": looks, "config": learner.config}))


def _trained(study: Study, trial: Trial, seed: int, quick: bool) -> dict[str, Any]:
    """One run, in numbers."""
    sequence = study.sequence(seed, trial.scenario)[: 2 if quick else None]
    learner = trial.make(trial.net(sequence))
    settings = {"epochs": 1 if quick else trial.epochs, "batch_size": trial.batch}
    begin = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", VacuousWarning)  # what is vacuous is counted below
        record = train(learner, sequence, seed=seed, device="cpu", progress=False, **settings)
    seconds = time.perf_counter() - begin
    values = metrics.table(record)
    facts = {"accuracy": values["acc"], "bwt": values["bwt"], "seconds": seconds}
    each: dict[str, list[Any]] = {"accuracy": record.accuracy[-1].tolist()}
    if isinstance(learner, IntervalLearner):
        tasks = [_looked_at(study, learner, sequence[t].test, t, seed, quick) for t in range(len(sequence))]
        each |= {measure: [one[measure] for one in tasks] for measure in tasks[0]}
        facts |= {measure: _mean(each[measure]) for measure in tasks[0]} | {"data_free": _data_free(learner, record)}
        facts |= {"vacuous": sum(each["vacuous"]), "contradictions": sum(each["contradictions"])}
        facts["certify_seconds"] = time.perf_counter() - begin - seconds
    return facts | {"tasks": each}


def _looked_at(study: Study, learner: IntervalLearner, data: Data, t: int, seed: int, quick: bool) -> dict[str, Any]:
    """One task's box in numbers.

    `told` is the accuracy where the task is told, on the examples and for the output units that are certified.
    """
    certificate = certify(learner, data, t)
    return {
        "told": certificate.accuracy,
        "certified": certificate.certified,
        "certified_plain": certificate.certified_plain,
        "width": certificate.width,
        "vacuous": certificate.vacuous,
        **_attacked(learner, data, certificate, _some(data, 20 if quick else study.attacked, t), seed, quick),
        **_embedded(learner, data, certificate, _some(data, 20 if quick else study.embedded, t)),
    }


def _attacked(
    learner: IntervalLearner, data: Data, certificate: Certificate, some: torch.Tensor, seed: int, quick: bool
) -> dict[str, Any]:
    """The worst network found in the box, and at which width half of the certificates break, on some examples."""
    t, few = certificate.task, data.subset(some)
    bounds, units, claimed = learner.bounds(t), learner.units(t), certificate.margins[some.numpy()] > 0
    worst = attack(
        learner.net,
        bounds,
        few,
        units,
        steps=2 if quick else STEPS,
        restarts=2 if quick else RESTARTS,
        seed=seed,
        certified=claimed,
    )
    attacked = min(worst.accuracy, float(certificate.correct[some.numpy()].mean()))  # the deployed one is in the box
    scale = breaking_radius(learner.net, bounds, few, units, share=BREAKS) if certificate.width > NARROW else math.inf
    return {
        "attacked": attacked,
        "robust": worst.robust,
        "contradictions": worst.contradictions,
        "breaks": scale * certificate.width if math.isfinite(scale) else None,
    }


def _embedded(
    learner: IntervalLearner, data: Data, certificate: Certificate, some: torch.Tensor
) -> dict[str, float | None]:
    """What is certified in embedding coordinates on some examples, and how much more that is than by the box."""
    if not isinstance(learner, HyperInterval):
        return {"embedding": None, "embedding_gain": None}
    share = certify_embedding(learner, data.subset(some), certificate.task).certified
    return {"embedding": share, "embedding_gain": share - float((certificate.margins[some.numpy()] > 0).mean())}


def _some(data: Data, count: int, t: int) -> torch.Tensor:
    """As many of the examples, the same ones for all learners."""
    return torch.randperm(len(data), generator=stream(0, "certified study", t))[:count]


def _data_free(learner: IntervalLearner, record: Run) -> float | None:
    """What is known to be certified after the last task without any task's data.

    HyperInterval has a curve of certified accuracy against drift; InterContiNet's boxes lie inside earlier ones, so
    what was certified when a task was learned still is, unless more output units may answer since.
    """
    if "certified_by_drift" in record.series:
        return float(np.mean(record.series["certified_by_drift"][-1]))
    learned = np.diagonal(record.series["certified"][..., 0])
    return None if learner.scenario == "class" else float(np.mean(learned))


def _mean(values: list[Any]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def _write(every: Mapping[str, Any], out: Path) -> None:
    ordered = {name: every[name] for name in STUDIES if name in every}
    trials = {name: STUDIES[name].trials for name in ordered}
    store("certified", ordered, text(ordered, trials), out)
