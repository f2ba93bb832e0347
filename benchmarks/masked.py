"""What masks reach: exclusive weights against random ones over densities, with and without a mask to start from."""

import json
import os
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from cltoolkit import Run, TaskSequence, metrics, networks, sequences, train
from cltoolkit.learners import ExSSNeT, Finetune, Learner, MaskLearner, SupSup
from cltoolkit.masks import KNNInitializer

from ._compared import compare
from ._report import write_facts

__all__ = ["STUDIES", "Study", "run"]

Make = Callable[[nn.Module], Learner]
DENSITIES = (0.02, 0.05, 0.1)
MEASURES = {
    "accuracy": "accuracy",
    "bwt": "backward transfer",
    "donors": "tasks with a donor",
    "exclusive": "exclusive share of the last mask",
    "steps": "steps to 90 %",
    "early": "accuracy at the first look",
}
KNN = KNNInitializer()


@dataclass(frozen=True)
class Study:
    """A sequence, and the learners compared on it.

    Attributes:
        sequence: the tasks, of a seed.
        learners: by label.
        eval_every: steps between looks at test accuracy; None for none.
        paired: pairs of labels (this, against that) whose accuracies are compared seed by seed.
        data: the folder that $CLTOOLKIT_DATA must hold.
        by_task: whether the accuracy on each task is told.
    """

    title: str
    sequence: Callable[[int], TaskSequence]
    net: Callable[[TaskSequence], nn.Module]
    learners: Mapping[str, Make]
    epochs: int
    batch: int
    seeds: tuple[int, ...] = (0, 1, 2)
    eval_every: int | None = None
    paired: tuple[tuple[str, str], ...] = ()
    data: str = ""
    note: str = ""
    by_task: bool = False

    @property
    def labels(self) -> tuple[str, ...]:
        """The learners' names."""
        return tuple(self.learners)


def _mlp(*hidden: int) -> Callable[[TaskSequence], nn.Module]:
    return lambda sequence: networks.mlp(sequence.input_shape, hidden, sequence.num_classes)


def _over_densities() -> dict[str, Make]:
    """SupSup, ExSSNeT, the ablation that forgets, and both with a mask to start from, at each density."""
    made: dict[str, Make] = {}
    for d in DENSITIES:
        made[f"SupSup {d}"] = lambda net, d=d: SupSup(net, density=d)
        made[f"SSNeT {d}"] = lambda net, d=d: ExSSNeT(net, density=d, exclusive=False)
        made[f"ExSSNeT {d}"] = lambda net, d=d: ExSSNeT(net, density=d)
        made[f"ExSSNeT, KKT {d}"] = lambda net, d=d: ExSSNeT(net, density=d, initializer=KNN)
    return made


WARM: dict[str, Make] = {
    "SupSup": SupSup,
    "SupSup, KKT": lambda net: SupSup(net, initializer=KNN),
    "SupSup, KKT from bits": lambda net: SupSup(net, initializer=KNN, keep="mask"),
    "ExSSNeT": ExSSNeT,
    "ExSSNeT, KKT": lambda net: ExSSNeT(net, initializer=KNN),
    "ExSSNeT, KKT from bits": lambda net: ExSSNeT(net, initializer=KNN, keep="mask"),
}
WITH_AND_WITHOUT = tuple((f"{name}, KKT{how}", name) for name in ("SupSup", "ExSSNeT") for how in ("", " from bits"))
EXCLUSIVE = tuple((f"ExSSNeT {d}", f"SupSup {d}") for d in DENSITIES)


TEXTS = ("agnews", "amazon", "dbpedia", "yelp", "clinc150")


def _texts(seed: int) -> TaskSequence:
    """Topics of news, stars, kinds of things, stars again, and the domain of a request."""
    folder = Path(os.environ["CLTOOLKIT_DATA"]) / "text"
    domains = json.loads((folder / "clinc150.domains.json").read_text("utf-8"))
    return sequences.from_text([str(folder / name) for name in TEXTS], groups={"clinc150": domains}, seed=seed)


STUDIES = {
    "split_digits": Study(
        "split digits, 5 × 2, MLP 300-100",
        lambda seed: sequences.split_digits(seed=seed),
        _mlp(300, 100),
        _over_densities(),
        epochs=20,
        batch=32,
        paired=EXCLUSIVE,
    ),
    "split_mnist": Study(
        "split MNIST, 5 × 2, LeNet 300-100",
        lambda seed: sequences.split_mnist(seed=seed, download=False),
        _mlp(300, 100),
        _over_densities(),
        epochs=4,
        batch=128,
        paired=EXCLUSIVE,
        data="MNIST",
    ),
    "rotated_digits": Study(
        "rotated digits, 6 tasks of 0 to 50 degrees, MLP 300-100",
        lambda seed: sequences.rotated_digits([0, 10, 20, 30, 40, 50], seed=seed),
        _mlp(300, 100),
        WARM,
        epochs=10,
        batch=32,
        seeds=tuple(range(10)),
        eval_every=5,
        paired=WITH_AND_WITHOUT,
    ),
    "text": Study(
        "agnews, amazon, dbpedia, yelp and clinc150 by domain; hashed words, text CNN of 3 × 100 filters",
        _texts,
        lambda sequence: networks.text_cnn(sequence.input_shape, sequence.num_classes, filters=100),
        {
            "Finetune": Finetune,
            "Finetune, own heads": lambda net: Finetune(net, heads="own"),
            "SupSup": SupSup,
            "ExSSNeT": ExSSNeT,
            "ExSSNeT, KKT": lambda net: ExSSNeT(net, initializer=KNN),
        },
        epochs=4,
        batch=64,
        seeds=(0,),
        data="text",
        by_task=True,
    ),
}


def run(names: Iterable[str], *, quick: bool = False, out: Path | None = None) -> None:
    """Runs the studies."""
    compare("masked", STUDIES, names, _trained, _text, quick=quick, out=out)


def _trained(study: Study, label: str, seed: int, quick: bool) -> dict[str, Any]:
    """One run, in numbers."""
    sequence = study.sequence(seed)[: 3 if quick else None]
    learner, begin = study.learners[label](study.net(sequence)), time.perf_counter()
    record = train(
        learner,
        sequence,
        seed=seed,
        device="cpu",
        progress=False,
        epochs=2 if quick else study.epochs,
        batch_size=study.batch,
        eval_every=study.eval_every,
    )
    values = metrics.table(record)
    numbers: dict[str, Any] = {"accuracy": values["acc"], "bwt": values["bwt"], "seconds": time.perf_counter() - begin}
    numbers["by_task"] = dict(zip(record.task_names, record.accuracy[-1].tolist(), strict=True))
    if study.eval_every:
        numbers |= _speed(record)
    if isinstance(learner, MaskLearner):
        numbers |= _masks(learner)
    return numbers


def _speed(record: Run) -> dict[str, float]:
    """Of the tasks after the first, which have a mask to start from: means over tasks."""
    looks = record.anytime
    rows = [looks["task"] == t for t in range(1, record.num_tasks)]
    curves = [(looks["accuracy"][row, t], looks["step"][row] + 1) for t, row in enumerate(rows, 1)]
    return {
        "steps": float(np.mean([metrics.steps_to(*curve) for curve in curves])),
        "early": float(np.mean([values[0] for values, _ in curves])),
    }


def _masks(learner: MaskLearner) -> dict[str, float]:
    """How many tasks had a donor, how much of the last mask is its own, and whether all answer as when learned."""
    series = learner.series()
    own = series["exclusive"][-1].sum() / series["kept"][-1].sum()
    donors = sum(donor is not None for donor in learner.donors)
    return {"donors": donors, "exclusive": float(own), "unchanged": float(bool(learner.verify()))}


def _text(every: Mapping[str, Any]) -> str:
    """All studies in Markdown."""
    parts = [
        "# What masks reach\n\nMeans over seeds. Backward transfer is 0 exactly where nothing can be forgotten: hashes "
        "of what answers each task were compared after the last. Differences are paired by seed, with their 95 % "
        "interval (Student), in points; **bold** where it leaves out 0."
    ]
    for name, one in every.items():
        study = STUDIES[name]
        shown = [m for m in MEASURES if any(m in numbers for runs in one["runs"].values() for numbers in runs.values())]
        columns = ["learner", *(MEASURES[measure] for measure in shown), "unchanged", "seconds", "seeds"]
        rows = [_row(label, runs, shown) for label, runs in one["runs"].items()]
        tasks = [_by_task(label, runs) for label, runs in one["runs"].items() if study.by_task]
        pairs = [_pair(one["runs"], *pair, shown) for pair in study.paired if all(p in one["runs"] for p in pair)]
        parts.append(
            f"## {one['title']}\n\n`python -m benchmarks masked_{name}`; {study.epochs} epochs, batch {study.batch}; "
            f"{write_facts(one['environment'])}\n{study.note}\n| {' | '.join(columns)} |\n|{'---|' * len(columns)}\n"
            + "\n".join(rows)
            + ("\n\n" + "\n".join([*tasks, *pairs]) if tasks or pairs else "")
        )
    return "\n\n".join(parts) + "\n"


def _row(label: str, runs: Mapping[str, Mapping[str, float]], shown: Iterable[str]) -> str:
    cells = [_cell(measure, [numbers.get(measure) for numbers in runs.values()]) for measure in shown]
    proofs = [numbers.get("unchanged") for numbers in runs.values()]
    proof = "" if None in proofs else ("yes" if all(proofs) else "**no**")
    seconds = np.mean([numbers["seconds"] for numbers in runs.values()])
    return f"| {label} | {' | '.join(cells)} | {proof} | {seconds:.0f} | {len(runs)} |"


def _by_task(label: str, runs: Mapping[str, Mapping[str, Any]]) -> str:
    """Accuracy on each task."""
    every = [numbers["by_task"] for numbers in runs.values()]
    return f"- {label}: " + ", ".join(f"{name} {np.mean([one[name] for one in every]):.3f}" for name in every[0])


def _cell(measure: str, values: list[float | None]) -> str:
    known = [value for value in values if value is not None]
    if not known:
        return ""
    mean = float(np.mean(known))
    return f"{mean:.1f}" if measure in ("steps", "donors") else f"{mean:.4f}"


def _pair(runs: Mapping[str, Mapping[str, Mapping[str, float]]], this: str, that: str, shown: Iterable[str]) -> str:
    seeds = [seed for seed in runs[this] if seed in runs[that]]
    said = []
    for measure in ("accuracy", "early", "steps"):
        if measure in shown and len(seeds) > 1:
            unit = 1 if measure == "steps" else 100
            a, b = ([unit * runs[label][seed][measure] for seed in seeds] for label in (this, that))
            found = metrics.paired_difference(a, b)
            text = f"{found.mean:+.2f} [{found.low:+.2f}, {found.high:+.2f}]"
            said.append(f"{MEASURES[measure]} {f'**{text}**' if found.clear else text}")
    return f"- {this} less {that}: {'; '.join(said)}"
