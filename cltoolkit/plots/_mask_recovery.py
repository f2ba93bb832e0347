"""How a Hopfield network brings a mask back."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from torch import Tensor

from ._axes import COLORS, FEW, axes, describe, open_frame, short
from ._interval_axes import plural
from ._interval_record import Look
from ._mask_axes import key
from ._mask_record import Numbers, task_names
from ._points import array

OTHER = "#bdbdbd"


class Recovered(Protocol):
    """A Recovery of HopSupSup, or anything with these of its attributes."""

    @property
    def distances(self) -> Tensor: ...  # (N + 1, T)
    @property
    def entropies(self) -> Tensor: ...  # (N,)
    @property
    def energies(self) -> Tensor: ...  # (N + 1,)


def hopfield_recovery(
    recovery: Recovered, *, true: int | None = None, names: Sequence[str] | None = None, ax: Axes | None = None
) -> Axes:
    """In how many units the mask differs from each stored one, step by step: the one it reaches is the task inferred.

    The true task's line and that of the mask nearest in the end stand out; others are grey.

    Args:
        recovery: what `HopSupSup.recover` returned.
        true: the task whose inputs were given, from 0 on.
        names: of the tasks; numbers by default.
        ax: axes to draw on; new ones by default.

    Returns:
        The axes; `alt_text` tells what they show.

    Raises:
        ValueError: if no masks were kept to compare with, `true` is no task, or names are not as many as tasks.

    References:
        Wortsman et al., Supermasks in Superposition, NeurIPS 2020, §3.6.

    Example:
        >>> cl.plots.hopfield_recovery(learner.recover(batches), true=2)  # doctest: +SKIP
    """
    distances = array(recovery.distances)
    called = _names(distances, true, names)
    nearest = int(np.argmin(distances[-1]))
    ax, steps = axes(ax), np.arange(len(distances))
    others = [j for j in range(len(called)) if j not in (nearest, true)]
    for j in others:
        label = "other tasks" if j == others[0] else None
        ax.plot(steps, distances[:, j], color=OTHER, linewidth=1.0 if len(others) <= FEW else 0.5, label=label)
    look: Look = {"markersize": 4, "markevery": max(1, len(steps) // 10), "linewidth": 1.6}
    if true is not None and true != nearest:
        name = f"{key(called[true])} (true)"
        ax.plot(steps, distances[:, true], **look, color=COLORS[1], linestyle="--", marker="s", label=name)
    name = f"{key(called[nearest])} ({'true and ' * (true == nearest)}nearest in the end)"
    ax.plot(steps, distances[:, nearest], **look, color=COLORS[0], marker="o", label=name)
    _steps(ax, len(steps))
    ax.set_ylabel("units in which the mask differs\nfrom the stored one")
    ax.set_ylim(-0.03 * distances.max(initial=1.0), 1.05 * distances.max(initial=1.0))
    ax.legend(fontsize=8, frameon=False, loc="lower left", bbox_to_anchor=(0, 1), ncols=2)
    return describe(ax, _words(distances, called, nearest, true))


def hopfield_search(recovery: Recovered, *, ax: Axes | None = None) -> Axes:
    """What the search for a mask goes down: the entropy of the answers (left axis), and the energy (right axis).

    Args:
        recovery: what `HopSupSup.recover` returned.
        ax: axes to draw on; new ones by default. The right axis is a twin of them.

    Returns:
        The axes of the entropy; `alt_text` tells what they show.

    References:
        Wortsman et al., Supermasks in Superposition, NeurIPS 2020, §3.6.

    Example:
        >>> cl.plots.hopfield_search(learner.recover(batches))  # doctest: +SKIP
    """
    entropies, energies = array(recovery.entropies), array(recovery.energies) + 0.0  # no −0
    ax = axes(ax)
    right = ax.twinx()
    every = max(1, len(energies) // 10)
    look: Look = {"markersize": 4, "markevery": every, "linewidth": 1.6}
    ax.plot(np.arange(len(entropies)), entropies, **look, color=COLORS[0], marker="o", label="entropy (left)")
    right.plot(
        np.arange(len(energies)), energies, **look, color=COLORS[1], linestyle="--", marker="s", label="energy (right)"
    )
    _steps(ax, len(energies))
    ax.set_ylabel("entropy H(p) of the answers (nats)")
    right.set_ylabel("energy Σ E(z) of the mask")
    right.spines[["top", "left"]].set_visible(False)
    lines = [*ax.lines, *right.lines]
    names = [str(line.get_label()) for line in lines]
    ax.legend(lines, names, fontsize=8, frameon=False, loc="lower left", bbox_to_anchor=(0, 1), ncols=2)
    return describe(
        ax,
        f"Search for a mask in a Hopfield network, {plural(len(entropies), 'step')}: the entropy of the answers from "
        f"{entropies[0]:.3g} to {entropies[-1]:.3g}, the energy of the mask from {energies[0]:.3g} to "
        f"{energies[-1]:.3g}.",
    )


def _names(distances: Numbers, true: int | None, names: Sequence[str] | None) -> list[str]:
    T = distances.shape[1]
    if not T:
        raise ValueError("no masks were kept to compare with; build the learner with HopSupSup(keep_masks=True)")
    if true is not None and not 0 <= true < T:
        raise ValueError(f"expected `true` to be 0 to {T - 1}, one of the tasks; got {true}")
    return task_names(T, names)


def _steps(ax: Axes, count: int) -> None:
    """A horizontal axis of so many moments, the first before any step."""
    ax.set_xlabel("steps of the search (batches)")
    ax.set_xlim(-0.02 * count, count - 1 + 0.02 * count)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    open_frame(ax)


def _words(distances: Numbers, names: list[str], nearest: int, true: int | None) -> str:
    T, steps = len(names), len(distances) - 1
    first = (
        f"Recovery of a mask among {plural(T)} in {plural(steps, 'step')}: in the end it is nearest to that of "
        f"{short(names[nearest], 24)}, from which it differs in {distances[-1, nearest]:.0f} units after "
        f"{distances[0, nearest]:.0f} at the start"
    )
    rest = np.delete(distances[-1], nearest)
    second = f"; the next is {rest.min():.0f} units away." if len(rest) else "."
    if true is None:
        return first + second
    if true == nearest:
        return f"{first}{second} This is the true task."
    missed = f"The true task is {short(names[true], 24)}, {distances[-1, true]:.0f} units away"
    return f"{first}{second} {missed}."
