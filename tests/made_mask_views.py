"""Learners and Runs of masks, made up, for views of them: no training."""

import made_masks
import numpy as np
import torch
from torch import nn

import cltoolkit as cl
from cltoolkit.masks import Layout, Masks, pack_bits
from cltoolkit.randomness import seeded

HOSTILE = "<img src=x onerror=\"document.title='hit'\">"


def learner(T=4, *, shapes=None, seed=0, **config):
    """A learner whose masks are found: those of `made_masks`, on a network of two layers or of these shapes."""
    sizes = shapes or [(12, 8), (4, 12)]
    with seeded(0, "net of made-up masks"):
        net = nn.Sequential(*(nn.Linear(n, out, bias=False) for out, n in sizes))
    made = cl.learners.SupSup(net, density=0.2, **config)
    made.bits = made_masks.masks(T, shapes=dict(made.layout.shapes), density=0.2, seed=seed).bits
    return made


def run(T=4, *, name="digits {}", **given):
    """A Run with all series of a learner of masks."""
    made = made_masks.a_run(T, name=name, **given)
    tasks = [{"name": each} for each in made.task_names]
    config = {"learner": {"name": made.name}, "sequence": {"tasks": tasks}, "seed": 0}
    return cl.Run(made.accuracy, config, series=made.series)


def kernels(T=3):
    """A layout with a convolution, and masks over it."""
    shapes = {"conv.weight": torch.Size((6, 4, 3, 3)), "head.weight": torch.Size((2, 24))}
    draw = np.random.default_rng(0)
    layout = Layout(shapes)
    return Masks(pack_bits(torch.from_numpy(draw.random((T, layout.size)) < 0.3)), layout)
