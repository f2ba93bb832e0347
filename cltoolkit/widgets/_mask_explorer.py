"""Masks to touch: what two tasks share, who owns which weight, what is left, and which mask each started from."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import traitlets

from .. import plots
from ..learners import MaskLearner
from ..records import Run
from ._mask_cells import cells
from ._mask_ledger import ledger, upto
from ._mask_words import (
    capacity_sentence,
    donor_sentence,
    layer_sentence,
    mask_sentence,
    pair_sentence,
    summary,
)
from ._view import View, one_of

if TYPE_CHECKING:
    from ..plots import Figure, Panel

__all__ = ["MaskExplorer"]

VIEWS = {
    "overlap": "overlap of masks",
    "capacity": "capacity by owner",
    "weights": "a layer's weights",
    "donors": "donors and scores",
    "exclusive": "weights used again",
}
MEASURES = {"excess": "share, minus chance", "share": "share", "count": "weights in common"}


class MaskExplorer(View):
    """The masks of a sequence of tasks: overlap, capacity, owners of weights, donors.

    Only what there is is offered: a Run keeps counts, and so shows everything but single weights; a learner has the
    masks themselves. Where something is left out, the view says why.

    Args:
        run_or_learner: a Run of SupSup or ExSSNeT, or a learner of masks.
        names: of the tasks, where a learner is given; numbers by default. A Run knows its own.

    Attributes:
        view: what is shown: "overlap", "capacity", "weights", "donors" or "exclusive".
        measure: of the overlap: "excess", "share" or "count".
        moment: after how many tasks, from 1 on, capacity and weights are shown.
        layer: whose weights are shown, by name.
        task: the task picked, -1 for none.
        other: the task that it is compared with, -1 for none.

    Raises:
        TypeError: if it is neither a Run nor a learner of masks.
        ValueError: if there are no masks; or if names are not as many as tasks, or came with a Run.

    Example:
        >>> import torch, cltoolkit as cl
        >>> learner = cl.learners.SupSup(torch.nn.Linear(8, 2), density=0.5)
        >>> learner.bits = torch.tensor([[0b00001111, 0], [0b00111100, 0]], dtype=torch.uint8)
        >>> view = MaskExplorer(learner, names=["cats", "dogs"])
        >>> view.task, view.other = 0, 1
        >>> print(view.alt_text[-97:])
        cats and dogs share 2 weights: 50 % of the smaller mask; chance would give 25 % of it (1 weight).
    """

    front: ClassVar[tuple[str, ...]] = ("mask_bars", "mask_weights", "mask_explorer")

    view = traitlets.Unicode().tag(sync=True)
    measure = traitlets.Unicode("excess").tag(sync=True)
    moment = traitlets.Int(1).tag(sync=True)
    layer = traitlets.Unicode().tag(sync=True)
    other = traitlets.Int(-1).tag(sync=True)

    def __init__(self, run_or_learner: Run | MaskLearner, *, names: Sequence[str] | None = None) -> None:
        self.given = run_or_learner
        self.ledger = held = ledger(run_or_learner, names)
        self.missing = self._missing()
        self.offered = [name for name in VIEWS if name not in self.missing]
        super().__init__(
            title=f"Masks of {held.heading}",
            tasks=held.names,
            view=self.offered[0],
            moment=held.T,
            layer=held.layers[0],
        )
        grids, arrays = cells(run_or_learner.masks) if isinstance(run_or_learner, MaskLearner) else ([], {})
        self.show(self._texts(grids), self._numbers() | arrays)

    def figure(self) -> "Figure":
        """What is picked as `view`, as it stands, by `plots`. For counts in common it is the share."""
        panels: Mapping[str, Callable[[], list[Panel]]] = {
            "overlap": self._overlap,
            "capacity": self._capacity,
            "weights": self._weights,
            "donors": self._donors,
            "exclusive": self._exclusive,
        }
        return plots.sheet(panels[self.view](), size=(6.4, 4.2))

    def words(self) -> str:
        """What the masks say as a whole, and what is said of the moment, the layer and the tasks picked."""
        held, t, other = self.ledger, self.task, self.other
        said = [summary(held), *self.missing.values()]
        if self.view == "weights":
            said.append(layer_sentence(held, self.layer, self.moment, t))
        elif self.view == "capacity" and self.moment < held.T:
            said.append(capacity_sentence(held, self.moment))
        if 0 <= t < held.T:
            if 0 <= other < held.T and other != t:
                said.append(pair_sentence(held, t, other))
            else:
                said.append(mask_sentence(held, t))
                said += [donor_sentence(held, t)] if held.asked else []
        return " ".join(said)

    # What the front end draws

    def _texts(self, grids: list[dict[str, Any]]) -> dict[str, Any]:
        return {
            "views": [[name, VIEWS[name]] for name in self.offered],
            "measures": [[name, text] for name, text in MEASURES.items()],
            "missing": list(self.missing.values()),
            "layers": self.ledger.layers,
            "grids": grids,
            "T": self.ledger.T,
            "told": " ".join([summary(self.ledger), *self.missing.values()]),
        }

    def _numbers(self) -> dict[str, Any]:
        held = self.ledger
        return {
            "kept": held.kept,
            "exclusive": held.exclusive,
            "sizes": held.sizes,
            "shared": held.shared,
            "by_chance": held.by_chance,
            "used_by_chance": held.used_by_chance,
            "reused": held.reused,
            "donor": held.donor,
            "scores": held.scores,
            "levels": held.levels,
        }

    def _missing(self) -> dict[str, str]:
        """Views that are not offered, and why."""
        held = self.ledger
        missing: dict[str, str] = {}
        if held.T < 2:
            missing |= dict.fromkeys(("overlap", "exclusive"), "With one mask there is nothing to compare yet.")
        if not isinstance(self.given, MaskLearner):
            missing["weights"] = (
                "Single weights are not shown: a Run keeps counts; give the learner, which has the masks."
            )
        if not held.asked:
            missing["donors"] = (
                "Donors are not shown: no task was offered the mask of an earlier one; learners with an initializer do "
                "that."
            )
        return missing

    # The same picture by plots

    def _masks(self, t: int | None = None) -> dict[str, Any]:
        """What plots of masks take, of the first t tasks."""
        t = self.ledger.T if t is None else t
        if isinstance(self.given, MaskLearner):
            return {"run_or_masks": self.given.masks.first(t), "names": self.ledger.names[:t]}
        return {"run_or_masks": upto(self.given, t)}

    def _overlap(self) -> "list[Panel]":
        return [lambda ax: plots.mask_overlap(**self._masks(), chance=self.measure == "excess", ax=ax)]

    def _capacity(self) -> "list[Panel]":
        return [lambda ax: plots.mask_capacity(**self._masks(self.moment), ax=ax)]

    def _weights(self) -> "list[Panel]":
        masks = self._masks()
        where = {"upto": self.moment, "names": masks["names"]}
        return [lambda ax: plots.weight_owners(masks["run_or_masks"], self.layer, **where, ax=ax)]

    def _exclusive(self) -> "list[Panel]":
        masks = self._masks()
        return [lambda ax: plots.exclusive_share(masks.pop("run_or_masks"), **masks, ax=ax)]

    def _donors(self) -> "list[Panel]":
        run = self._record()
        return [lambda ax: plots.donor_tree(run, ax=ax), lambda ax: plots.donor_scores(run, ax=ax)]

    def _record(self) -> Run:
        """A Run with the donors, whatever was given."""
        held = self.ledger
        if isinstance(self.given, Run):
            return self.given
        rows = {"donor": held.donor[:, None], "donor_scores": held.scores, "donor_margin": held.levels}
        series = {name: np.broadcast_to(values, (held.T, *values.shape)) for name, values in rows.items()}
        tasks = [{"name": name} for name in held.names]
        config = {"learner": {"name": held.heading}, "sequence": {"tasks": tasks}, "seed": 0}
        return Run(np.zeros((held.T + 1, held.T)), config, series=series)

    # What a person may choose

    @traitlets.validate("view")
    def _offered_view(self, proposal: Mapping[str, Any]) -> str:
        name = str(proposal["value"])
        if name not in self.offered:
            why = f": {self.missing[name]}" if name in self.missing else ""
            raise traitlets.TraitError(f"expected `view` to be one of {', '.join(self.offered)}; got {name!r}{why}")
        return name

    @traitlets.validate("measure")
    def _known_measure(self, proposal: Mapping[str, Any]) -> str:
        name = str(proposal["value"])
        if name not in MEASURES:
            raise traitlets.TraitError(f"expected `measure` to be one of {', '.join(MEASURES)}; got {name!r}")
        return name

    @traitlets.validate("moment")
    def _known_moment(self, proposal: Mapping[str, Any]) -> int:
        t = int(proposal["value"])
        if not 1 <= t <= self.ledger.T:
            raise traitlets.TraitError(f"expected `moment` to be 1 to {self.ledger.T}, the tasks learned; got {t}")
        return t

    @traitlets.validate("layer")
    def _known_layer(self, proposal: Mapping[str, Any]) -> str:
        name = str(proposal["value"])
        if name not in self.ledger.layers:
            raise traitlets.TraitError(f"expected `layer` to be one of {', '.join(self.ledger.layers)}; got {name!r}")
        return name

    @traitlets.validate("other")
    def _known_other(self, proposal: Mapping[str, Any]) -> int:
        return one_of(proposal["value"], len(self.task_names), "task to compare with")
