"""Made-up masks and records of learners of masks, at any number of tasks, so that plots of them need no training."""

from types import SimpleNamespace

import numpy as np
import torch

from cltoolkit.masks import Layout, Masks, exclusive_masks, overlap, pack_bits

LONG = "a rather long name, number {} of $many$ others_"
SHAPES = {"0.weight": (20, 30), "2.weight": (8, 4, 3, 3), "head.weight": (5, 20)}


def masks(T=4, *, density=0.15, shapes=SHAPES, shared=0.3, seed=0):
    """Masks of which a share of each comes from the first one, so that they overlap more than by chance."""
    draw = np.random.default_rng([seed, T])
    layout = Layout({name: torch.Size(shape) for name, shape in shapes.items()})
    first, rows = draw.random(layout.size), []
    for t in range(T):
        score = np.where(draw.random(layout.size) < (shared if t else 1.0), first, draw.random(layout.size))
        rows.append(np.concatenate([_largest(score[where], density) for where in layout.slices.values()]))
    return Masks(pack_bits(torch.from_numpy(np.stack(rows))), layout)


def _largest(score, density):
    kept = np.zeros(len(score), dtype=bool)
    kept[np.argsort(score)[-max(1, round(density * len(score))) :]] = True
    return kept


def donors(T, draw):
    """Scores of earlier tasks, what was needed, and who was chosen; the third task has a start of its own."""
    scores = np.where(np.tri(T, k=-1, dtype=bool), draw.uniform(0.4, 0.9, (T, T)), np.nan)
    scores[2:3] -= 0.4
    needed = np.full(T, 0.5 if T < 30 else 0.86)
    best = [int(np.nanargmax(row)) if np.isfinite(row).any() else -1 for row in scores]
    chosen = np.array([k if k >= 0 and scores[t, k] >= needed[t] else -1 for t, k in enumerate(best)])
    return {
        "donor": chosen[:, None],
        "donor_scores": scores,
        "donor_margin": np.stack([needed, needed - 0.1], 1),
        "moved": np.where(chosen >= 0, 10.0, np.nan)[:, None],
    }


def a_run(T=4, *, name="digits {}", learner="ExSSNeT", seed=0, steps=40, rate=6.0, **given):
    """A run with all series of a learner of masks, evaluated after every fourth step."""
    draw, made = np.random.default_rng([seed, T]), masks(T, seed=seed, **given)
    sizes = np.tile(np.array(made.layout.sizes, dtype=float), (T, 1))
    rows = {
        "kept": made.counts().numpy(),
        "exclusive": exclusive_masks(made).counts().numpy(),
        "layer_sizes": sizes,
        "overlap": overlap(made, normalize=False).numpy(),
    } | donors(T, draw)
    known = np.tri(T, dtype=bool)  # [i, j]: task j is learned after i + 1 tasks
    series = {key: np.where(known[..., None], value[None], np.nan) for key, value in rows.items()}
    series["overlap"] = np.where(known[:, None], series["overlap"], np.nan)
    task, step = np.repeat(np.arange(T), steps), np.tile(np.arange(steps), T)
    often, final = step % 4 == 3, 1 - 0.1 * draw.random(T)
    learning = 0.5 + (final[task] - 0.5) * (1 - np.exp(-rate * (step + 1) / steps)) + 0.01 * draw.normal(size=T * steps)
    seen = np.arange(T) <= task[:, None]
    accuracy = np.where(np.arange(T) == task[:, None], learning[:, None], np.where(seen, final, np.nan))
    return SimpleNamespace(
        accuracy=np.vstack([np.full(T, 0.5), np.where(known, final, 0.5)]),
        curves={"task": task, "epoch": 0 * task, "step": step, "loss": np.exp(-rate * step / steps) + 0.1},
        anytime={"task": task[often], "step": step[often], "accuracy": accuracy[often]},
        name=learner,
        seed=seed,
        task_names=[name.format(j) for j in range(T)],
        config={},
        series=series,
    )


def a_sweep(methods=3, *, seeds=3, densities=(0.02, 0.04, 0.06, 0.08, 0.1, 0.2, 0.5)):
    """Rows of accuracy by density: methods differ most where masks are sparse."""
    draw = np.random.default_rng(methods)
    rows = [
        (
            LONG.format(m) if methods > 3 else ("SupSup", "SSNeT", "ExSSNeT")[m],
            d,
            s,
            0.98 - 0.02 * (methods - m) * (0.1 / d) ** 0.5,
        )
        for m in range(methods)
        for d in densities
        for s in range(seeds)
    ]
    learner, density, seed, accuracy = zip(*rows, strict=True)
    noise = 0.01 * draw.normal(size=len(rows))
    return {"learner": learner, "density": density, "seed": seed, "accuracy": np.clip(np.array(accuracy) + noise, 0, 1)}


def a_recovery(T=5, *, d=200, steps=20, kept=True):
    """Of the last task's mask: half its units are wrong at first, none in the end."""
    draw = np.random.default_rng([T, steps])
    stored = draw.random((T, d)) < 0.5
    when = np.maximum(draw.integers(-steps, steps + 1, d), 0)  # the step at which a unit comes right
    path = np.stack([np.where(when <= step, stored[-1], ~stored[-1]) for step in range(steps + 1)])
    distances = (path[:, None] != stored[None]).sum(-1) if kept else np.zeros((steps + 1, 0))
    falling = np.linspace(1, 0, steps + 1)
    return SimpleNamespace(
        mask=torch.from_numpy(path[-1]),
        entropies=torch.from_numpy(0.1 + falling[:-1]),
        energies=torch.from_numpy(-d / 2 * (1 - falling)),
        distances=torch.from_numpy(distances),
    )


def gradients(T=5, n=30, true=2):
    draw = np.random.default_rng([T, n])
    return draw.normal(0, 0.1, (n, T)) - 0.4 * (np.arange(T) == min(true, T - 1))
