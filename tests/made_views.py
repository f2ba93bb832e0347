"""All seven views on made-up data, with names as strangers give them: what the notebook of the browser tests shows."""

import numpy as np
import torch
from made_interval_views import certificate, curves
from made_interval_views import run as intervals_run
from made_mask_views import learner as masks_learner
from made_mask_views import run as masks_run
from made_runs import a_run
from tiny import FEATURES, net
from tiny import learner as tiny_learner
from torch import nn

import cltoolkit as cl
from cltoolkit.randomness import stream
from cltoolkit.tasks import Examples, Task, TaskSequence
from cltoolkit.transferability import TransferMatrix

HOSTILE = "<img src=x onerror=\"document.title='hit'\">"
NAMES = tuple(f"{t} {HOSTILE}" for t in range(4))
FORM = "{} " + HOSTILE


def run_explorer():
    """Three Runs with losses and with evaluations during training."""
    runs = [a_run(seed=seed, steps=20, evaluated=3, name=HOSTILE, tasks=NAMES) for seed in range(3)]
    return cl.widgets.RunExplorer(runs)


def scores(estimator, seed, count=4):
    values = np.random.default_rng(seed).normal(size=(count, count))
    return TransferMatrix(values, estimator, NAMES[:count], NAMES[:count])


def transfer_explorer():
    return cl.widgets.TransferExplorer(
        {"h_score": scores("h_score", 0), "leep": scores("leep", 1)}, scores("fine_tune_gain", 2)
    )


def embedded(T, names, **series):
    """A Run of T tasks, each of which keeps its place from the moment it is learned."""
    points = np.random.default_rng(T).normal(size=(T, 3))
    rows = np.where(np.tri(T, dtype=bool)[..., None], points, np.nan)
    boxes = {name: np.where(np.isnan(rows), np.nan, half) for name, half in series.items()}
    config = {"learner": {"name": HOSTILE}, "sequence": {"tasks": [{"name": name} for name in names]}}
    return cl.Run(np.full((T + 1, T), 0.75), config, series={"embeddings": rows, **boxes})


def task_map():
    """By embedding, by transfer and by dimensions with boxes."""
    return cl.widgets.TaskMap(embedded(4, NAMES, half_widths=0.5), transfer=scores("leep", 3))


def map_of_many():
    """Of so many tasks that the kernel makes maps only when they are asked for."""
    return cl.widgets.TaskMap(embedded(45, [f"t{t}" for t in range(45)]))


def pictured(t, n, name=HOSTILE):
    """A task of 8 × 8 pictures, called `t` and the name."""
    part = Examples(torch.rand(n, 8, 8, generator=stream(0, "pictures", t)), torch.arange(n) % 2)
    return Task(f"{t} {name}", part, part, classes=(HOSTILE, "other"))


def interval_explorer():
    """Every view that there is, pictures too."""
    run = intervals_run(name=FORM)
    certificates = [certificate(t, n=20, name=NAMES[t]) for t in range(2)]
    sequence = TaskSequence([pictured(t, 20) for t in range(4)])
    return cl.widgets.IntervalExplorer(
        run, certificates=certificates, curves={0: curves(), 1: curves((1.0, 0.7, 0.2))}, sequence=sequence
    )


def mask_explorer():
    """Of masks themselves: whose is each weight."""
    return cl.widgets.MaskExplorer(masks_learner(), names=NAMES)


def mask_donors():
    """Of a Run: from which mask each task started."""
    return cl.widgets.MaskExplorer(masks_run(name=FORM))


class Orders:
    """Orders of three tasks, and what trains them; or fails, while `broken`."""

    def __init__(self):
        self.broken = False
        names = NAMES[:3]
        self.tasks = TaskSequence([tiny_task(t, name) for t, name in enumerate(names)])
        self.orders = cl.orders.predict_orders(scores("fine_tune_gain", 4, 3))

    def train(self, order):
        if self.broken:
            raise ZeroDivisionError(HOSTILE)
        return cl.orders.run_orders(lambda: cl.learners.Finetune(net()), self.tasks, [order], epochs=1, progress=False)

    def view(self):
        measured = cl.orders.OrderRuns(
            {(order, 0): cl.Run(np.full((4, 3), 0.5 + 0.1 * k)) for k, order in enumerate([(0, 1, 2), (2, 1, 0)])},
            NAMES[:3],
        )
        return cl.widgets.OrderExplorer(self.orders, measured, train=self.train)


def tiny_task(t, name):
    part = Examples(torch.randn(22, FEATURES, generator=stream(0, "tiny", name)), torch.arange(22) % 2)
    return Task(name, part, part, classes=(2 * t, 2 * t + 1))


def board(name, epochs):
    """A board that is ready to train."""
    tasks = TaskSequence([tiny_task(t, each) for t, each in enumerate(NAMES[:3])], name=HOSTILE)
    return cl.widgets.TrainingBoard(tiny_learner(name), tasks, epochs=epochs, batch_size=8)


class Breaks(nn.Module):
    """A network that breaks in the second task."""

    def __init__(self):
        super().__init__()
        self.linear, self.left = nn.Linear(FEATURES, 2), 8

    def forward(self, x):
        self.left -= self.training
        if self.left < 0:
            raise RuntimeError(HOSTILE)
        return self.linear(x)


def broken_board():
    tasks = TaskSequence([tiny_task(t, each) for t, each in enumerate(NAMES[:3])], name=HOSTILE)
    return cl.widgets.TrainingBoard(cl.learners.Finetune(Breaks()), tasks, epochs=2, batch_size=8)


def order_explorer():
    return Orders().view()


def training_board():
    """One that has trained."""
    return board("HyperInterval", 2).start()


EVERY = (
    run_explorer,
    transfer_explorer,
    task_map,
    interval_explorer,
    mask_explorer,
    mask_donors,
    order_explorer,
    training_board,
)
