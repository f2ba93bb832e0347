"""What masks say, in sentences with their numbers."""

import numpy as np

from ._mask_ledger import Ledger

__all__ = ["capacity_sentence", "donor_sentence", "layer_sentence", "mask_sentence", "pair_sentence", "summary"]


def summary(held: Ledger) -> str:
    """Capacity, the pair that shares most, and donors, of all tasks."""
    total = held.sizes.sum()
    used, chance = held.exclusive.sum() / total, (held.used_by_chance[-1] * held.sizes).sum() / total
    said = [
        f"Masks of {held.heading}: {count(held.T, 'task')}, {count(len(held.layers), 'layer')}, "
        f"{count(total, 'weight')}.",
        f"After all of them {percent(used)} of the weights are in use; independent masks of these sizes would use "
        f"{percent(chance)}.",
    ]
    if held.T > 1:
        said.append(f"The pair that shares most, chance taken off: {pair_sentence(held, *closest(held))}")
    if (later := held.reused[:, 1:][:, np.isfinite(held.reused[0, 1:])]).size:
        reused, null = later.mean(1)
        said.append(
            f"From the second task on, earlier masks hold {percent(reused)} of a mask on average; of independent "
            f"masks it would be {percent(null)}."
        )
    if held.asked:
        said.append(f"{count(int((held.donor >= 0).sum()), 'task')} started from the mask of an earlier one.")
    return " ".join(said)


def closest(held: Ledger) -> tuple[int, int]:
    """The two masks whose overlap is furthest above chance, as a share of the smaller."""
    size = held.kept.sum(1)
    smaller = np.maximum(np.minimum.outer(size, size), 1)
    excess = np.where(np.tri(held.T, k=-1, dtype=bool), (held.shared - held.by_chance) / smaller, -np.inf)
    j, i = divmod(int(excess.argmax()), held.T)
    return i, j


def pair_sentence(held: Ledger, i: int, j: int) -> str:
    """What two masks have in common, beside chance."""
    shared, chance = held.shared[i, j], held.by_chance[i, j]
    smaller = held.kept.sum(1)[[i, j]].min()
    of = f": {percent(shared / smaller)} of the smaller mask" if smaller else ""
    expected = f"{percent(chance / smaller)} of it ({count(chance, 'weight')})" if smaller else "none"
    return f"{held.names[i]} and {held.names[j]} share {count(shared, 'weight')}{of}; chance would give {expected}."


def mask_sentence(held: Ledger, t: int) -> str:
    """What one mask holds, and what of it is its own."""
    kept, own = held.kept[t].sum(), held.exclusive[t].sum()
    return (
        f"The mask of {held.names[t]} holds {count(kept, 'weight')}, {percent(kept / held.sizes.sum())} of all; "
        f"{count(own, 'weight')} of them no earlier mask holds."
    )


def capacity_sentence(held: Ledger, moment: int) -> str:
    """What the first masks use of all weights, beside chance."""
    total = held.sizes.sum()
    used, chance = held.exclusive[:moment].sum() / total, (held.used_by_chance[moment] * held.sizes).sum() / total
    return (
        f"After {count(moment, 'task')} {percent(used)} of {count(total, 'weight')} are in use; independent masks of "
        f"these sizes would use {percent(chance)}."
    )


def layer_sentence(held: Ledger, layer: str, moment: int, t: int) -> str:
    """What of a layer is free after the first masks, and what a task has of it; -1 for none."""
    i = held.layers.index(layer)
    size, kept, own = held.sizes[i], held.kept[:moment, i], held.exclusive[:moment, i]
    said = (
        f"{layer}: {percent(1 - own.sum() / size)} of {count(size, 'weight')} are free after {count(moment, 'task')}."
    )
    if not 0 <= t < moment:
        return said
    return (
        f"{said} {held.names[t]} uses {count(kept[t], 'weight')} of it, {count(own[t], 'weight')} for the first time."
    )


def donor_sentence(held: Ledger, t: int) -> str:
    """From which mask a task started, and why."""
    name, scores, (needed, chance) = held.names[t], held.scores[t], held.levels[t]
    bar = f"; more than {needed:.2f} was needed (chance {chance:.2f})" if np.isfinite(needed) else ""
    if (k := int(held.donor[t])) >= 0:
        score = f" with a score of {scores[k]:.2f}" if np.isfinite(scores[k]) else ""
        return f"{name} started from {held.names[k]}{score}{bar}."
    if not np.isfinite(scores).any():
        return f"{name} was offered no earlier mask, and started from scores of its own."
    best = int(np.nanargmax(scores))
    return (
        f"{name}: none, fell back to a start of its own; the best, {held.names[best]}, scored {scores[best]:.2f}{bar}."
    )


def percent(share: float) -> str:
    """A share of one, in words: whole numbers from 10 % on."""
    value = 100 * share
    return f"{value:.0f} %" if value >= 9.95 or value < 0.05 else f"{value:.1f} %"


def count(n: float, what: str) -> str:
    """A number of things, in words."""
    return f"{n:,.0f} {what}{'' if round(n) == 1 else 's'}"
