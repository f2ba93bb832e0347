"""Runs made without training, for tests of what shows them."""

import numpy as np

from cltoolkit import Run

HOSTILE = (
    "<img src=x onerror=\"document.title='hit'\">",
    "</script><b>bold</b>",
    "'\"&amp;\u2028\\",
    "naïve 任务 🙂",
    "",
)


def a_run(T=4, seed=0, name="HyperNet", *, tasks=None, steps=0, evaluated=0, examples=10):
    """Accuracies that fall after learning, the same for the same arguments; `steps` logged steps per task."""
    draw = np.random.default_rng([seed, T, len(name)])
    since = np.arange(T + 1)[:, None] - np.arange(T) - 1  # rounds since the task was learned
    accuracy = np.where(since < 0, 0.5 + 0.05 * draw.standard_normal((T + 1, T)), 1.0 - 0.05 * since * draw.random(T))
    names = list(tasks or (f"{2 * t}/{2 * t + 1}" for t in range(T)))
    config = {
        "learner": {"name": name},
        "seed": seed,
        "sequence": {"scenario": "domain", "tasks": [{"name": each, "test": examples} for each in names]},
    }
    return Run(
        accuracy, config, status="finished", curves=_curves(T, steps, draw), anytime=_anytime(T, evaluated, draw)
    )


def _curves(T, steps, draw):
    if not steps:
        return {}
    task = np.repeat(np.arange(T), steps)
    step = np.tile(np.arange(steps), T)
    regularizer = np.where(task > 0, draw.random(len(task)), np.nan)
    loss = np.exp(-4 * step / steps) + 0.01 * draw.random(len(task))
    return {"task": task, "epoch": np.zeros_like(task), "step": step, "loss": loss, "regularizer": regularizer}


def _anytime(T, evaluated, draw):
    if not evaluated:
        return {}
    task = np.repeat(np.arange(T), evaluated)
    seen = np.arange(T) <= task[:, None]
    accuracy = np.where(seen, draw.random((len(task), T)), np.nan)
    return {"task": task, "step": np.tile(10 * np.arange(1, evaluated + 1) - 1, T), "accuracy": accuracy}
