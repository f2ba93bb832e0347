"""What the report draws, and of which Runs: only of those that have what a plot reads."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from .. import metrics, plots
from ..embeddings import map_tasks
from ..groups import Group
from ..records import Run
from ..tasks import TaskSequence
from ._document import Axes, Block, Gallery, Panel, Section, Table, Text
from ._drawn import averaged, drawable, has, losses, named
from ._values import Values
from ._words import count, spread

__all__ = ["certificate_section", "curve_section", "geometry_section", "mask_section", "matrix_section", "task_section"]

MOST = 12  # groups that are drawn one by one
WIDE = (6.4, 3.4)  # inches
LINES = 7  # learners that have a line style each
Draw = Callable[..., Any]
LOWEST = Text("Pictures of one learner alone are of one seed, the lowest.", of_pictures=True)


def matrix_section(groups: Sequence[Group]) -> Section | None:
    """The accuracy matrix of each group, the mean where it has several seeds."""
    learned = [group for group in groups if group.done]
    if not learned:
        return None
    panels = []
    for group in learned[:MOST]:
        run, heading, said = averaged(group)
        panels.append(Panel(partial(_untitled, plots.accuracy_matrix, run), heading, said, (4.4, 3.2)))
    intro = (
        "Test accuracy on each task (column) at each moment (row): boxed cells are tasks just learned, hatched ones "
        "not yet learned. What a column loses below its box is forgetting. Of several seeds the mean is drawn."
    )
    return Section("Accuracy matrices", intro, [*_left_out(learned), Gallery("Cell by cell", panels)])


def curve_section(values: Values) -> Section | None:
    """Averages of all groups together, then losses and any-time accuracy of one seed of each."""
    learned = [group for group in values.groups if group.done]
    if not learned:
        return None
    intro = (
        "Averages are over seeds, with the 95 % interval as a band or bar. Losses and accuracy during training are "
        "those of one seed, the lowest, of each learner."
    )
    blocks: list[Block] = list(_left_out(learned))
    for field in dict.fromkeys(group.field for group in learned):
        blocks += _together([group for group in learned if group.field == field], values.measures)
    few = learned[:MOST]
    blocks += _gallery("Losses", plots.curves, [g for g in few if losses(g.first)], of=losses, size=WIDE)
    during = [group for group in few if len(group.first.anytime.get("task", ()))]
    blocks += _gallery("Test accuracy during training", plots.anytime, during, size=WIDE)
    return Section("Curves", intro, blocks)


def _together(groups: Sequence[Group], measures: Sequence[str]) -> list[Block]:
    """Learners of the same tasks in one picture each: the average so far, and each measure."""
    lines = [[_learned(named(run, group.label)) for run in group.runs] for group in groups]
    averages = [
        Panel(partial(_onto, partial(plots.average_so_far, [run for line in part for run in line])), size=WIDE)
        for part in (lines[i : i + LINES] for i in range(0, len(lines), LINES))
    ]
    runs = [run for line in lines for run in line]
    known = set.intersection(*(set(metrics.table(run)) for run in runs))
    drawn = [measure for measure in measures if measure in known and not _unknown(runs, measure)]
    height = min(1.3 + 0.38 * len(groups), 12.0)
    compared = [Panel(partial(_onto, partial(plots.compare, runs, measure)), size=(6.4, height)) for measure in drawn]
    where = groups[0].sequence
    return [
        Gallery(f"Average accuracy on the tasks seen so far, {where}", averages),
        *([Gallery(f"Learners side by side, {where}", compared)] if compared else []),
    ]


def _learned(run: Run) -> Run:
    """The run of the tasks it has learned alone."""
    k = run.num_tasks
    return run if k == run.T else replace(run, accuracy=run.accuracy[: k + 1, :k], anytime={})


def _unknown(runs: Sequence[Run], measure: str) -> bool:
    return bool(np.isnan([metrics.table(run)[measure] for run in runs]).all())


def geometry_section(groups: Sequence[Group]) -> Section | None:
    """Maps of task embeddings, and where they went."""
    placed = [group for group in groups if has(group.first, "embeddings")]
    if not placed:
        return None
    intro = (
        "Task embeddings of one seed, the lowest. Near points are alike to the learner as far as the stress allows to "
        "say so: 0 is a faithful map, above 0.2 it is not to be trusted. Paths show where embeddings went after their "
        "task was learned; a point stayed."
    )
    blocks: list[Block] = [*_left_out(placed)]
    several = [group for group in placed[:MOST] if _mapped(group.first)]
    maps = [
        Panel(
            partial(_map, named(group.first, group.label)), f"{group.label}, seed {group.first.seed}", size=(5.0, 4.2)
        )
        for group in several
    ]
    blocks += [Gallery("Maps of tasks", maps)] if maps else []
    blocks += _gallery("Paths of embeddings", plots.embedding_trajectories, placed, size=(5.0, 4.2))
    asked = [group for group in placed if has(group.first, "discrepancy") and group.done > 2]
    blocks += _gallery("How far distances are from those asked for", plots.discrepancy, asked)
    return Section("Geometry", intro, blocks)


def _mapped(run: Run) -> bool:
    """Whether there are two tasks or more, all with an embedding."""
    k = run.num_tasks
    return k > 1 and bool(np.isfinite(run.series["embeddings"][k - 1, :k]).all())


def _map(run: Run, ax: Axes) -> Axes:
    k = run.num_tasks
    return plots.task_map(map_tasks(run.series["embeddings"][k - 1, :k], names=run.task_names[:k]), ax=ax)


def certificate_section(groups: Sequence[Group]) -> Section | None:
    """What is certified, and how wide the intervals are."""
    kept = ("certified", "width", "half_widths", "log_volume", "drift_curve")
    boxed = [group for group in groups if any(has(group.first, name) for name in kept)]
    if not boxed:
        return None
    intro = (
        "Certified accuracy is the share of test examples that every network in a task's box answers right: none of "
        "these networks is worse. A certificate over intervals of no width is worth nothing, so look at widths too."
    )
    certified = [group for group in boxed if has(group.first, "certified")]
    blocks: list[Block] = [_certified(certified)] if certified else []
    blocks += [*_left_out(boxed), LOWEST]
    for caption, plot, needs, size in CERTIFICATES:
        blocks += _gallery(caption, plot, [group for group in boxed if has(group.first, *needs)], size=size)
    scheduled = [group for group in boxed if {"worst", "kappa", "radius"} <= set(group.first.curves)]
    blocks += _gallery("Schedules", plots.schedule, scheduled, size=WIDE)
    volumes = [group for group in boxed if all(has(run, "log_volume") for run in group.runs)]
    for field in dict.fromkeys(group.field for group in volumes):
        runs = [named(run, group.label) for group in volumes if group.field == field for run in group.runs]
        blocks.append(
            Gallery("Room left for tasks to come", [Panel(partial(_onto, partial(plots.plasticity, runs)), size=WIDE)])
        )
    return Section("Certificates", intro, blocks)


CERTIFICATES: tuple[tuple[str, Draw, tuple[str, ...], tuple[float, float]], ...] = (
    ("Clean and certified accuracy", plots.certified_accuracy, ("certified",), (5.0, 3.4)),
    ("Widths of the weights' intervals", plots.interval_widths, ("width",), (5.0, 3.4)),
    ("Half-widths around embeddings", plots.half_widths, ("half_widths",), (5.0, 3.4)),
    ("Boxes around embeddings", plots.intervals, ("half_widths", "embeddings"), WIDE),
    ("Certified accuracy without data, by drift", plots.certified_by_drift, ("drift_curve",), WIDE),
)


def _certified(groups: Sequence[Group]) -> Table:
    """Means over tasks, at the end."""
    rows = []
    for group in groups:
        runs = [run for run in group.runs if has(run, "certified")]
        k = group.done
        clean = [np.array([run.accuracy[k, :k].mean()]) for run in runs]
        found = [run.series["certified"][k - 1, :k, 0] for run in runs]  # (k,) each
        gap = [c - f.mean(keepdims=True) for c, f in zip(clean, found, strict=True)]
        mean, half = metrics.mean_and_interval(np.array([[f.mean(), f.min()] for f in found]))
        said = [spread(m, h) for m, h in zip(mean.tolist(), half.tolist(), strict=True)]
        cells = [_over(np.concatenate(clean)), said[0], _over(np.concatenate(gap)), said[1]]
        rows.append([group.label, *cells, count(len({run.seed for run in runs}), "seed")])
    head = ["learner", "clean accuracy", "certified accuracy", "clean less certified", "least certified task", "of"]
    return Table("Certified accuracy after the last task, mean over tasks, then over seeds", head, rows)


def _over(values: np.ndarray) -> str:
    mean, half = metrics.mean_and_interval(values)
    return spread(float(mean), float(half))


def mask_section(groups: Sequence[Group]) -> Section | None:
    """Who owns which weights."""
    masked = [group for group in groups if has(group.first, "kept", "exclusive", "layer_sizes")]
    if not masked:
        return None
    intro = (
        "A mask says which weights a task uses. Weights that no earlier mask holds are exclusive to a task; what is "
        "left free is room for tasks to come."
    )
    blocks: list[Block] = [_masks(masked), *_left_out(masked), LOWEST]
    blocks += _gallery("Capacity by owner", plots.mask_capacity, masked, size=(6.0, 3.6))
    shared = [group for group in masked if has(group.first, "overlap") and group.done > 1]
    blocks += _gallery("Overlap of masks, beyond chance", plots.mask_overlap, shared, size=(5.0, 3.8))
    for field in dict.fromkeys(group.field for group in masked):
        lines = {g.label: [named(run, g.label) for run in g.runs] for g in masked[:LINES] if g.field == field}
        whole = {
            drawable(label): runs for label, runs in lines.items() if all(has(run, "kept", "exclusive") for run in runs)
        }
        if whole:
            share = Panel(partial(_onto, partial(plots.exclusive_share, whole)), size=WIDE)
            blocks.append(Gallery("Share of each mask that earlier masks hold", [share]))
    donors = [group for group in masked if has(group.first, "donor", "donor_scores", "donor_margin")]
    blocks += _gallery("Donors", plots.donor_tree, donors, size=WIDE)
    return Section("Masks", intro, blocks)


def _masks(groups: Sequence[Group]) -> Table:
    """How much is in use at the end."""
    rows = []
    for group in groups:
        k = group.done
        runs = [run for run in group.runs if has(run, "kept", "exclusive", "layer_sizes")]
        sizes = [run.series["layer_sizes"][k - 1, k - 1].sum() for run in runs]
        used = [np.nansum(run.series["exclusive"][k - 1, :k]) / size for run, size in zip(runs, sizes, strict=True)]
        each = [
            np.nansum(run.series["kept"][k - 1, :k], 1).mean() / size for run, size in zip(runs, sizes, strict=True)
        ]
        cells = [_over(np.array(used)), _over(np.array(each)), f"{np.mean(sizes):,.0f}"]
        rows.append([group.label, *cells, count(len({run.seed for run in runs}), "seed")])
    head = ["learner", "weights in use (fraction)", "weights of a mask (fraction)", "weights in all", "of"]
    return Table("Masks after the last task, mean over seeds", head, rows)


def _gallery(
    caption: str,
    plot: Draw,
    groups: Sequence[Group],
    *,
    of: Callable[[Run], Sequence[str]] | None = None,
    size: tuple[float, float] = (5.0, 3.4),
) -> list[Block]:
    """One picture of the first seed of each group; nothing where no group has what it takes."""
    panels = []
    for group in groups[:MOST]:
        run = named(group.first, group.label)
        draw = plot if of is None else partial(plot, names=of(run))
        panels.append(Panel(partial(_untitled, draw, run), f"{group.label}, seed {run.seed}", size=size))
    return [Gallery(caption, panels)] if panels else []


def _onto(draw: Draw, ax: Axes) -> Axes:
    """A plot of many Runs, without the title that some take from the first of them."""
    ax = draw(ax=ax)
    ax.set_title("")
    return ax


def _untitled(plot: Draw, run: Run, ax: Axes) -> Axes:
    """The plot without its title where that says no more than the caption of the picture does."""
    ax = plot(run, ax=ax)
    if ax.get_title() == f"{run.name}, seed {run.seed}":
        ax.set_title("")
    return ax


def _left_out(groups: Sequence[Group]) -> list[Block]:
    if len(groups) <= MOST:
        return []
    words = f"The first {MOST} of {len(groups)} learners are drawn one by one; tables hold all of them."
    return [Text(words, of_pictures=True)]


def task_section(sequence: TaskSequence | None) -> Section | None:
    """Examples of the tasks, if they are images."""
    if sequence is None or not _images(sequence):
        return None
    rows = min(12, max(len(task.classes) for task in sequence))
    shape = sequence.input_shape
    size = (max(2.0, 1.25 * min(len(sequence), 12)), 0.45 + 1.35 * rows * shape[-2] / shape[-1])
    panel = Panel(partial(_onto, partial(plots.examples, sequence)), size=size)
    return Section("Tasks", "One test image per class of each task.", [Gallery(sequence.name, [panel])])


def _images(sequence: TaskSequence) -> bool:
    shape = sequence.input_shape
    return not sequence.regression and (len(shape) == 2 or (len(shape) == 3 and shape[0] in (1, 3)))
