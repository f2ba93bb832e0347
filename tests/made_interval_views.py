"""Runs, certificates and curves for views of intervals: made up, or of learners that are trained shortly."""

from functools import cache

import made_intervals
import numpy as np
from torch import nn

import cltoolkit as cl
from cltoolkit.intervals import AccuracyCurves, Certificate
from cltoolkit.randomness import seeded

HOSTILE = "<img src=x onerror=\"document.title='hit'\">"
SCALES = (0.0, 0.5, 1.0, 2.0, 4.0)


@cache
def digits():
    return cl.sequences.split_digits()[:3]


@cache
def trained(name):
    """A learner of three tasks, and its Run."""
    with seeded(0, "net of interval views"):
        net = nn.Sequential(nn.Flatten(), nn.Linear(64, 16), nn.ReLU(), nn.Linear(16, 2))
    config = {"radius": 1.0, "hidden": (16,), "embedding_dim": 4} if name == "HyperInterval" else {}
    learner = cl.learners.build(name, net, config)
    return learner, cl.train(learner, digits(), epochs=4, seed=0, progress=False)


@cache
def certified(name):
    """What `IntervalExplorer` takes of a trained learner."""
    (learner, run), sequence = trained(name), digits()
    certificates = [cl.intervals.certify(learner, task.test, t, name=task.name) for t, task in enumerate(sequence)]
    curves = {
        t: cl.intervals.accuracy_curves(
            learner.net, learner.bounds(t), task.test, learner.units(t), scales=SCALES, steps=4, restarts=1
        )
        for t, task in enumerate(sequence)
    }
    return {"run": run, "curves": curves, "certificates": certificates, "sequence": sequence}


def run(T=4, *, d=8, name="digits {}", **given):
    """A Run with all series of HyperInterval."""
    made = made_intervals.a_run(T, d=d, name=name, nested=False, **given)
    tasks = [{"name": each, "outputs": [0, 1]} for each in made.task_names]
    config = {"learner": {"name": made.name}, "sequence": {"tasks": tasks}, "seed": 0}
    return cl.Run(np.asarray(made.accuracy), config, series=made.series)


def certificate(t=0, n=120, *, margins=None, name="", width=0.1, layers=3):
    """A certificate of n margins around 1, some of them below 0; half of those examples are answered wrong."""
    found = np.random.default_rng(t).normal(1, 1, n) if margins is None else np.asarray(margins, dtype=np.float64)
    return Certificate(
        task=t,
        margins=found,
        margins_plain=found - 0.1,
        correct=(found > 0) | (np.arange(len(found)) % 2 == 0),
        width_quantiles=np.full(5, width),
        layer_widths={f"{k}.weight": (0.5 * width, width, 2.0 * width) for k in range(layers)},
        collapsed=0.0,
        outside=0.0,
        rigorous=True,
        dtype="float64",
        box_hash="",
        weights_hash="",
        name=name,
    )


def curves(certified=(1.0, 0.9, 0.4), attacked=(1.0, 0.95, 0.7), *, scales=(0.0, 1.0, 2.0), clean=1.0, width=0.1):
    return AccuracyCurves(np.array(scales), clean, np.array(certified), np.array(attacked), width)
