"""Intervals to touch: how wide they are, what is certified as they grow, and the examples that stand in the way."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import traitlets

from .. import plots
from ..intervals import AccuracyCurves, Certificate
from ..records import Run
from ..tasks import TaskSequence
from ._interval_ledger import ledger
from ._interval_pictures import behind, places
from ._interval_words import curve_sentence, example_sentence, layer_sentence, margin_sentence, moment_sentence
from ._view import View, one_of

if TYPE_CHECKING:
    from ..plots import Figure, Panel

__all__ = ["IntervalExplorer"]

VIEWS = {  # name: what it is, and what it needs
    "half_widths": ("half-widths of embeddings", "a Run of HyperInterval"),
    "widths": ("widths of weights", "a Run of HyperInterval or InterContiNet"),
    "layers": ("widths layer by layer", "`certificates`"),
    "curves": ("accuracy against radius", "`curves`"),
    "margins": ("margins of examples", "`certificates`"),
    "certified": ("certified accuracy in training", "a Run of HyperInterval or InterContiNet"),
}
SERIES = {"half_widths": "half_widths", "widths": "width", "certified": "certified"}  # view: the series it shows


class IntervalExplorer(View):
    """The intervals of a Run, and what is certified of them.

    Only what there is is offered; what is missing, the view says. Views of one task show the task picked, or the first
    one that they know.

    Args:
        run: of HyperInterval or InterContiNet; of another learner, if certificates or curves come with it.
        curves: t → `cl.intervals.accuracy_curves(learner.net, learner.bounds(t), sequence[t].test, learner.units(t),
            scales=…)`.
        certificates: `cl.intervals.certify(learner, sequence[t].test, t)`, one for a task at most.
        sequence: whose test parts were certified, for labels and pictures of the examples.

    Attributes:
        view: what is shown: "half_widths", "widths", "layers", "curves", "margins" or "certified".
        moment: after how many tasks, from 1 on.
        scale: by which all radii are multiplied, in "curves".
        example: the test example picked in "margins", -1 for none.
        task: the task picked, -1 for none.

    Raises:
        TypeError: if something is no Run, Certificate or AccuracyCurves.
        ValueError: if nothing is known of intervals, or something belongs to other tasks.

    Example:
        >>> import numpy as np, cltoolkit as cl
        >>> accuracy, scales = np.array([[0.5], [1.0]]), np.array([0.0, 1.0, 2.0])
        >>> curves = cl.intervals.AccuracyCurves(scales, 1.0, np.array([1, 0.9, 0.4]), np.array([1, 0.95, 0.7]), 0.01)
        >>> view = IntervalExplorer(cl.Run(accuracy), curves={0: curves})
        >>> view.scale = 1.5
        >>> view.alt_text[:68]
        '0, radii × 1.5: certified 0.400 ≤ attacked 0.950 ≤ clean 1.000. Only'
    """

    front: ClassVar[tuple[str, ...]] = ("interval_spans", "interval_margins", "interval_explorer")

    view = traitlets.Unicode().tag(sync=True)
    moment = traitlets.Int(1).tag(sync=True)
    scale = traitlets.Float(1.0).tag(sync=True)
    example = traitlets.Int(-1).tag(sync=True)

    def __init__(
        self,
        run: Run,
        *,
        curves: Mapping[int, AccuracyCurves] | None = None,
        certificates: Sequence[Certificate] = (),
        sequence: TaskSequence | None = None,
    ) -> None:
        self.ledger = held = ledger(run, curves, certificates, sequence)
        self.behind = behind(held.certificates, held.sequence)
        self.offered = [name for name in VIEWS if self._known(name)]
        super().__init__(
            title=f"Intervals of {held.heading}",
            tasks=held.names,
            view=self.offered[0],
            moment=held.learned,
            scale=min(1.0, held.reach),
        )
        pixels, starts = places(self.behind)
        self.arrays = {"pixels": {"shape": [len(pixels)], "data": pixels.tobytes()}}  # bytes, each one number
        self.show(self._texts(starts), self._numbers())

    def _known(self, view: str) -> bool:
        if view in SERIES:
            return SERIES[view] in self.ledger.series
        if view == "layers":
            return any(each.layer_widths for each in self.ledger.certificates.values())
        return bool(self.ledger.curves if view == "curves" else self.ledger.certificates)

    # What is shown

    def figure(self) -> "Figure":
        """What is picked as `view`, as it stands, by `plots`."""
        held, t, after = self.ledger, self._task(), self.moment
        panels: Mapping[str, Panel] = {
            "half_widths": lambda ax: plots.half_widths(held.run, after=after, ax=ax),
            "widths": lambda ax: plots.interval_widths(held.run, after=after, ax=ax),
            "layers": lambda ax: plots.weight_widths(held.certificates[t], ax=ax),
            "curves": lambda ax: plots.certified_by_radius(held.curves[t].to_frame(), ax=ax),
            "margins": lambda ax: plots.margins(replace(held.certificates[t], name=held.names[t]), ax=ax),
            "certified": lambda ax: plots.certified_accuracy(held.run, after=after, ax=ax),
        }
        figure = plots.sheet([panels[self.view]], size=(6.4, 4.0))
        if self.view not in SERIES:
            figure.axes[0].set_title(held.names[t][:60], fontsize=10, parse_math=False)
        if self.view == "curves":
            figure.axes[0].axvline(self.scale, color="black", linewidth=1)
        return figure

    def words(self) -> str:
        """What is picked as `view`, as it stands, and what there is besides."""
        held, t = self.ledger, self._task()
        if self.view == "curves":
            said = curve_sentence(held, t, self.scale)
        elif self.view == "layers":
            said = layer_sentence(held.certificates[t], held.names[t])
        elif self.view == "margins":
            said = self._margin_words(t)
        else:
            said = moment_sentence(self.view, held, self.moment, self.task)
        others = [VIEWS[name][0] for name in self.offered if name != self.view]
        also = f"Also here: {', '.join(others)}." if others else "Only this is known."
        return f"{said} {also}"

    def _margin_words(self, t: int) -> str:
        each, found = self.ledger.certificates[t], self.behind[t]
        said = margin_sentence(self.ledger, each, found, self.ledger.names[t])
        return f"{said} {example_sentence(each, found, self.example)}" if 0 <= self.example < each.n else said

    def _task(self) -> int:
        """The task that views of one task show: that picked, or the first that they know."""
        known: Mapping[int, Any] = self.ledger.curves if self.view == "curves" else self.ledger.certificates
        if self.view == "layers":
            known = {t: each for t, each in self.ledger.certificates.items() if each.layer_widths}
        return self.task if self.task in known else next(iter(known), self.task)

    # What the front end draws

    def _texts(self, starts: Mapping[int, int]) -> dict[str, Any]:
        held = self.ledger
        missing = [f"{what} (needs {need})" for name, (what, need) in VIEWS.items() if name not in self.offered]
        return {
            "views": [[name, VIEWS[name][0]] for name in self.offered],
            "missing": f"Not here: {'; '.join(missing)}." if missing else "",
            "learned": held.learned,
            "reach": held.reach,
            "chance": held.chance,
            "watched": held.watched,
            "curves": [[t, each.scales, each.clean, each.width] for t, each in held.curves.items()],
            "certificates": [
                {
                    "task": t,
                    "n": each.n,
                    "right": int(each.correct.sum()),
                    "verdict": each.verdict,
                    "layers": list(each.layer_widths),
                    "failing": self.behind[t].failing,
                    "classes": self.behind[t].classes,
                    "why": self.behind[t].why,
                    "start": starts.get(t, -1),
                    "count": len(self.behind[t].shown),
                    "size": [] if (pixels := self.behind[t].pixels) is None else list(pixels.shape[1:]),
                }
                for t, each in held.certificates.items()
            ],
        }

    def _numbers(self) -> dict[str, Any]:
        """Series as they are; curves, margins and layers by the number of their task."""
        held = self.ledger
        arrays: dict[str, Any] = {f"series/{name}": values for name, values in held.series.items()}
        arrays["clean"] = held.clean
        arrays |= {f"curve/{t}": np.stack([each.certified, each.attacked]) for t, each in held.curves.items()}
        for t, each in held.certificates.items():
            arrays[f"margins/{t}"] = self._margin_rows(t, each)
            arrays[f"layers/{t}"] = np.array(list(each.layer_widths.values())).reshape(-1, 3)
        return arrays

    def _margin_rows(self, t: int, each: Certificate) -> "np.ndarray[Any, Any]":
        """`(p, 6)` of margins: rank, margin, example, whether it is answered right; picture and class, -1 for none."""
        found = self.behind[t]
        examples = found.order[found.drawn]
        picture = np.full(len(examples), -1)
        picture[np.searchsorted(found.drawn, found.shown)] = np.arange(len(found.shown))
        about = (each.margins[examples], examples, each.correct[examples], picture, found.labels[examples])
        return np.stack([found.drawn, *about], 1)

    # What a person may choose

    @traitlets.validate("view")
    def _offered_view(self, proposal: Mapping[str, Any]) -> str:
        name = str(proposal["value"])
        if name not in self.offered:
            why = f": {VIEWS[name][0]} needs {VIEWS[name][1]}" if name in VIEWS else ""
            raise traitlets.TraitError(f"expected `view` to be one of {', '.join(self.offered)}; got {name!r}{why}")
        return name

    @traitlets.validate("moment")
    def _known_moment(self, proposal: Mapping[str, Any]) -> int:
        moment = int(proposal["value"])
        if not 1 <= moment <= self.ledger.learned:
            raise traitlets.TraitError(f"expected `moment` from 1 to {self.ledger.learned} tasks; got {moment}")
        return moment

    @traitlets.validate("scale")
    def _within_reach(self, proposal: Mapping[str, Any]) -> float:
        scale = float(proposal["value"])
        if not (math.isfinite(scale) and 0 <= scale <= self.ledger.reach):
            raise traitlets.TraitError(
                f"expected `scale` from 0 to {self.ledger.reach:.4g}, the largest that the curves have; got {scale}"
            )
        return scale

    @traitlets.validate("example")
    def _known_example(self, proposal: Mapping[str, Any]) -> int:
        most = max((each.n for each in self.ledger.certificates.values()), default=0)
        return one_of(proposal["value"], most, "example")

    @traitlets.observe("task")
    def _other_examples(self, _: Any) -> None:
        self.example = -1
