"""Made-up records of interval learners, at any number of tasks, so that plots of them are tested without training."""

from types import SimpleNamespace

import numpy as np
import torch

from cltoolkit.intervals import DRIFTS, AlongInterval, IntervalTensor
from cltoolkit.randomness import stream

LONG = "a rather long name, number {} of many others"


def a_run(T=3, *, d=8, nested=True, steps=30, name="digits {}", learner="HyperInterval", seed=0, m=3):
    """Boxes that share a cube if nested, else none; weights' boxes one in another; two of the tasks' widths at zero."""
    draw = np.random.default_rng([seed, T])
    center = draw.uniform(-0.5, 0.5, (T, d)) * (1 / d if nested else 3.0)
    half = np.full((T, d), 1 / d) if nested else draw.dirichlet(np.ones(d), T)
    width = np.sort(10 ** draw.uniform(-4, -1, (T, 5)), 1)
    width[1::4] *= 1e-8
    lower = np.cumsum(0.1 * draw.random((T, m)), 0) - 1
    watched = np.stack([lower, lower[-1] + 0.5 + np.cumsum(0.1 * draw.random((T, m)), 0)[::-1]], -1)
    clean = 1 - 0.1 * draw.random(T)
    certified = clean - 0.2 * draw.random(T)
    curve = certified[:, None] * np.linspace(1, 0.2, len(DRIFTS)) ** draw.uniform(0.2, 2, (T, 1))
    drift = np.where(np.arange(T) < T - 1, 10 ** draw.uniform(-6, -2.5, T), 0.0)
    rows = {
        "embeddings": center,
        "half_widths": half,
        "intersection": np.stack([np.maximum.accumulate(center - half), np.minimum.accumulate(center + half)], 1),
        "universal": (np.maximum.accumulate(center - half) + np.minimum.accumulate(center + half)) / 2,
        "radius": half.sum(1, keepdims=True),
        "width": width,
        "collapsed": (width[:, 2:3] < 1e-8) * 0.75,
        "watched": watched,
        "log_volume": np.log((watched[..., 1] - watched[..., 0]) / 2).mean(1, keepdims=True),
        "certified": certified[:, None],
        "drift": drift[:, None],
        "drift_curve": curve,
        "certified_by_drift": 0.9 * certified[:, None],
    }
    known = np.tri(T, dtype=bool)  # [i, j]: task j is learned after i + 1 tasks
    series = {
        key: np.where(known.reshape(T, T, *[1] * (value.ndim - 1)), value[None], np.nan) for key, value in rows.items()
    }
    return SimpleNamespace(
        accuracy=np.vstack([np.full(T, 0.1), np.where(known, clean, 0.1)]),
        curves=_curves(T, steps, draw),
        anytime={},
        name=learner,
        seed=seed,
        task_names=[name.format(j) for j in range(T)],
        config={},
        series=series,
    )


def _curves(T, steps, draw):
    task, step = np.repeat(np.arange(T), steps), np.tile(np.arange(steps), T)
    done = np.minimum(2 * step / max(steps - 1, 1), 1)
    loss = np.exp(-3 * step / steps) + 0.05 * draw.random(T * steps)
    return {
        "task": task,
        "epoch": np.zeros_like(task),
        "step": step,
        "loss": loss,
        "worst": loss * (1 + done),
        "kappa": 1 - 0.5 * done,
        "radius": 2.0 * done,
        "width": 1e-3 * (1 + done),
    }


def a_certificate(t=0, n=200, *, name="digits {}", certified=0.9):
    draw = np.random.default_rng(t)
    margins = draw.normal(0.4, 1.0, n)
    margins = margins - np.quantile(margins, 1 - certified)
    margins[: n // 50] *= 20
    return SimpleNamespace(task=t, name=name.format(t), margins=margins, margins_plain=margins - 0.2 * draw.random(n))


def bounds(layers=3, *, collapsed=False, size=40):
    """Weights and biases of so many layers, and a head that is a point."""
    made = {"head.weight": torch.zeros(2, 3)}
    for k in range(layers):
        draw = stream(0, "bounds", k)
        for kind, shape in (("weight", (size, size)), ("bias", (size,))):
            radius = 10 ** (-4 + 0.1 * k + torch.randn(shape, generator=draw, dtype=torch.float64) / 2)
            off = torch.rand(shape, generator=draw) < (0.3 if collapsed else 0.0)
            made[f"layer{k}.{kind}"] = IntervalTensor(torch.zeros_like(radius), radius.masked_fill(off, 0.0))
    return made


def logits(n=6, k=4):
    draw = stream(0, "logits", n, k)
    center = 2 * torch.randn(n, k, generator=draw)
    y = center.argmax(1)
    return IntervalTensor(center, 0.1 + 0.9 * torch.rand(n, k, generator=draw)), y


def sizes(count=12, *, seeds=1, attacked=True):
    """Rows of clean, certified and attacked accuracy as boxes grow."""
    scale = np.tile(np.linspace(0, 3, count), seeds)
    noise = np.repeat(np.random.default_rng(0).uniform(-0.05, 0.05, seeds), count)
    rows = {"scale": scale, "clean": np.full_like(scale, 0.95), "certified": 0.95 / (1 + np.exp(4 * (scale - 1.4)))}
    rows["certified"] = np.clip(rows["certified"] + noise, 0, 1)
    if attacked:
        rows["attacked"] = np.clip(0.95 - 0.08 * scale**2, 0, 1)
    return rows


def a_walk(D=8, L=31):
    lambdas = np.linspace(-1.5, 1.5, L)
    shape = np.random.default_rng(D).uniform(0.02, 0.15, (D, 1))
    accuracy = np.clip(0.97 - shape * lambdas**4, 0, 1)
    return AlongInterval(lambdas, accuracy, 0.97, certified=0.78)


def a_regression(n=50):
    x = np.random.default_rng(n).permutation(np.linspace(0, 1, n))
    y = 8 * x**3 - 12 * x
    return x, y, y - 1 - x, y + 0.3 * np.sin(20 * x), y + 1
