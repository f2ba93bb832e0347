"""What intervals say, in sentences with their numbers."""

from collections.abc import Callable, Iterable
from itertools import pairwise

import numpy as np

from ..intervals import Certificate
from ._interval_ledger import NARROW, Ledger, Numbers
from ._interval_pictures import Behind

__all__ = ["curve_sentence", "example_sentence", "layer_sentence", "margin_sentence", "moment_sentence", "vacuous"]


def moment_sentence(view: str, held: Ledger, moment: int, t: int) -> str:
    """What a view of all tasks at one moment shows, and the task picked in it; -1 for none."""
    say: Callable[[Ledger, int, int], str] = {
        "half_widths": _half_widths,
        "widths": _widths,
        "certified": _certified,
    }[view]
    return say(held, moment, t)


def _half_widths(held: Ledger, moment: int, t: int) -> str:
    rows = held.series["half_widths"][moment - 1, :moment]  # (moment, d)
    d, after = rows.shape[1], _after(moment)
    if not np.isfinite(rows).any():
        return f"Half-widths ε of embeddings {after}: none is known."
    first = f"Half-widths ε of embeddings {after}, in {_count(d, 'dimension')}: {_span(rows)}."
    if not (0 <= t < moment) or not np.isfinite(rows[t]).all():
        j, k = divmod(int(np.nanargmax(rows)), d)
        return (
            f"{first} The widest is {rows[j, k]:.3g}, of {held.names[j]} in dimension {k}.{_missing(held, moment, t)}"
        )
    k, total = int(rows[t].argmax()), float(rows[t].sum())
    share = f", {rows[t, k] / total:.0%} of them; an even share is {1 / d:.1%}" if total else ""
    return (
        f"{first} Those of {held.names[t]} sum to {total:.3g}{_budget(held, moment, t)}; the widest is "
        f"{rows[t, k]:.3g} in dimension {k}{share}."
    )


def _budget(held: Ledger, moment: int, t: int) -> str:
    """γ, where it was kept."""
    if "radius" not in held.series:
        return ""
    return f" (γ = {held.series['radius'][moment - 1, t, 0]:.3g})"


def _widths(held: Ledger, moment: int, t: int) -> str:
    rows = held.series["width"][moment - 1, :moment]  # (moment, 5)
    first = f"Widths of the weights' intervals {_after(moment)}:"
    medians = rows[:, 2]
    if not np.isfinite(medians).any():
        return f"{first} none is known."
    said = f"{first} medians {_span(medians)}.{_vacuous_tasks(held, medians)}"
    if not (0 <= t < moment) or not np.isfinite(rows[t]).all():
        return said + _missing(held, moment, t)
    own = held.series["width"][t, t, 2]
    learned = f", {own:.3g} when learned" if np.isfinite(own) else ""
    share = ""
    if "collapsed" in held.series:
        share = f" {100 * held.series['collapsed'][moment - 1, t, 0]:.3g} % are collapsed, narrower than 1e-8."
    return f"{said} {held.names[t]}: median {medians[t]:.3g}{learned}; all {_span(rows[t])}.{share}"


def _vacuous_tasks(held: Ledger, medians: Numbers) -> str:
    names = [name for name, median in zip(held.names, medians, strict=False) if median < NARROW]
    return f" VACUOUS, with medians under 1e-8: {', '.join(names)}." if names else ""


def _certified(held: Ledger, moment: int, t: int) -> str:
    rows = held.series["certified"][moment - 1, :moment, 0]
    clean = held.clean[moment - 1, :moment]
    first = f"Accuracy {_after(moment)}, on average: {_mean('clean', clean)}, {_mean('certified', rows)}"
    without = held.series.get("certified_by_drift")
    if without is None:
        first += ", on test examples."
    else:
        known = _mean("certified without data", without[moment - 1, :moment, 0])
        first += f", on test examples; {known}, on {held.watched} examples."
    if not (0 <= t < moment):
        return first + _missing(held, moment, t)
    dull = _no_better_than_chance(held, t, float(rows[t]))
    own = f" {held.names[t]}: certified {_number(rows[t])}, clean {_number(clean[t])}{f'. {dull}' if dull else '.'}"
    before = held.series["certified"][t, t, 0]
    return f"{first}{own} When learned, {_number(before)} was certified."


def curve_sentence(held: Ledger, t: int, scale: float) -> str:
    """Certified, attacked and clean accuracy of task t at a scale."""
    certified, attacked, clean = held.at(t, scale)
    said = f"{held.names[t]}, radii × {scale:.4g}: {_chain(certified, attacked, clean)}."
    return f"{said} {vacuous(held, t, scale)}".rstrip()


def _chain(certified: float, attacked: float, clean: float) -> str:
    """The three in a row, with the relation between neighbors that holds."""
    found = [("certified", certified), ("attacked", attacked), ("clean", clean)]
    known = [(name, value) for name, value in found if np.isfinite(value)]
    text = f"{known[0][0]} {known[0][1]:.3f}"
    for (_, before), (name, value) in pairwise(known):
        text += f" {'≤' if before <= value else '>'} {name} {value:.3f}"
    return text if len(known) == len(found) else f"{text} (no attack)"


def vacuous(held: Ledger, t: int, scale: float) -> str:
    """Why the certificate at this scale says nothing; empty where it says something."""
    curves, (certified, _, _) = held.curves[t], held.at(t, scale)
    if scale > curves.scales[-1]:
        return f"VACUOUS: nothing was certified beyond the scale {curves.scales[-1]:.4g}."
    if curves.width * scale < NARROW:
        return "VACUOUS: half of the weights' intervals are narrower than 1e-8: hardly more than one network."
    return _no_better_than_chance(held, t, certified)


def _no_better_than_chance(held: Ledger, t: int, certified: float) -> str:
    if certified == 0:
        return "VACUOUS: no example is certified, so nothing is promised."
    if certified < held.chance[t]:
        return f"VACUOUS: certified accuracy is below chance, {held.chance[t]:.3f}."
    return ""


def layer_sentence(each: Certificate, name: str) -> str:
    """How wide each weight tensor of a certificate's box is, and what the certificate says."""
    medians = {layer: three[1] for layer, three in each.layer_widths.items()}
    if not medians:
        return f"{name}: no weight is an interval. The certificate: {each.verdict}"
    low, high = min(medians, key=lambda k: medians[k]), max(medians, key=lambda k: medians[k])
    return (
        f"{name}: median widths of {_count(len(medians), 'tensor')} from {medians[low]:.3g} ({low}) to "
        f"{medians[high]:.3g} ({high}). The certificate: {each.verdict}"
    )


def margin_sentence(held: Ledger, each: Certificate, found: Behind, name: str) -> str:
    """How many margins are above 0."""
    known = each.margins[np.isfinite(each.margins)]
    spread = (
        f" Margins from {known.min():.3g} to {known.max():.3g}, median {np.median(known):.3g}." if len(known) else ""
    )
    dull = _no_better_than_chance(held, each.task, each.certified)
    return (
        f"{name}: {each.n - found.failing} of {each.n} examples are certified ({each.certified:.3f}), "
        f"{int(each.correct.sum())} answered right ({each.accuracy:.3f}).{spread}{f' {dull}' if dull else ''}"
    )


def example_sentence(each: Certificate, found: Behind, i: int) -> str:
    """One example: its label, whether it is answered right, and its margin."""
    label = f", of class {found.classes[found.labels[i]]}" if found.labels[i] >= 0 else ""
    answered = "right" if each.correct[i] else "wrong"
    sure = "certified" if each.margins[i] > 0 else "not certified"
    margin = f"{each.margins[i]:+z.3f}".replace("-", "−")
    return f"Example {i}{label}: answered {answered}; margin {margin}, {sure}."


def _after(moment: int) -> str:
    return f"after {_count(moment, 'task')}"


def _missing(held: Ledger, moment: int, t: int) -> str:
    """That the task picked is not learned yet."""
    return f" {held.names[t]} is not learned yet." if t >= moment else ""


def _span(values: Iterable[float] | Numbers) -> str:
    low, high = (f"{end(np.asarray(values)):.3g}" for end in (np.nanmin, np.nanmax))
    return low if low == high else f"{low} to {high}"


def _mean(name: str, values: Numbers) -> str:
    known = values[np.isfinite(values)]
    return f"{name} {known.mean():.3f}" if len(known) else f"{name} unknown"


def _number(value: float) -> str:
    return f"{value:.3f}" if np.isfinite(value) else "unknown"


def _count(n: int, what: str) -> str:
    return f"{n} {what}{'' if n == 1 else 's'}"
