"""Transfer to touch: estimators and what was measured side by side, and what each number was computed from."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import traitlets

from .. import plots
from ..transferability import TransferMatrix
from ._transfer_ledger import LEVEL, MEASURED, agreed, correlations, gathered, is_gain, order_of, others, pairs_of
from ._transfer_words import agreement_rows, agreement_words, by_target, how_made, signed
from ._view import View

if TYPE_CHECKING:
    from ..plots import Figure

__all__ = ["TransferExplorer"]


class TransferExplorer(View):
    """Two transfer matrices side by side, pair against pair, and how well estimators agree with what was measured.

    Estimators have units of their own, so raw scores are never subtracted: a difference is one of ranks, by how many
    places the left estimator puts a source higher for its target than the right one does.

    Args:
        scores: a matrix, or matrices by name, such as `transferability.transfer_matrix` gives.
        measured: measured transfer, one of those that `transferability.measured_transfer` gives.

    Attributes:
        left: name of the matrix on the left, one of `scores` or "measured".
        right: that on the right.
        shown: "values"; "ranks" of the sources for each target, 1 the best; "difference" of these ranks.
        order: of the tasks, "given", or "similar" by the matrix on the left (see `embeddings.score_distances`), where
            tasks are sources and targets alike and all transfer is known.
        task: the target picked, -1 for none.

    Raises:
        TypeError: if something is no TransferMatrix.
        ValueError: if there is none, their sources or targets differ, or one is named "measured".

    Example:
        >>> matrix = TransferMatrix([[0.9, 0.3], [0.6, 0.9]], "h_score", ("a", "b"), ("a", "b"))
        >>> view = TransferExplorer(matrix)
        >>> view
        TransferExplorer(1 score, 2 sources on 2 targets)
        >>> view.shown = "ranks"
        >>> _ = view.to_html()
    """

    front: ClassVar[tuple[str, ...]] = ("scatter", "transfer_explorer")
    left = traitlets.Unicode().tag(sync=True)
    right = traitlets.Unicode().tag(sync=True)
    shown = traitlets.Enum(("values", "ranks", "difference"), "values").tag(sync=True)
    order = traitlets.Enum(("given", "similar"), "given").tag(sync=True)

    def __init__(
        self, scores: TransferMatrix | Mapping[str, TransferMatrix], measured: TransferMatrix | None = None
    ) -> None:
        self.matrices = gathered(scores, measured)
        self.labels = {name: _label(name, matrix) for name, matrix in self.matrices.items()}
        first, *others = self.matrices
        self._orders = {name: order_of(matrix) for name, matrix in self.matrices.items()}
        self._rho = correlations(list(self.matrices.values()))
        self.agreement, self._why_none = agreed(self.matrices)
        super().__init__(title=_title(self.matrices), tasks=self._any.targets, left=first, right=[first, *others][-1])
        self.show(self._texts(), self._numbers())

    def figure(self) -> "Figure":
        """Both matrices, pair against pair, and the agreement; for a difference, the ranks it is made of."""
        panels = [lambda ax: self._matrix(self.left, ax), lambda ax: self._matrix(self.right, ax)]
        left, right = self.matrices[self.left], self.matrices[self.right]
        if pairs_of(left, right).any():
            panels.append(lambda ax: plots.transfer_scatter(left, right, ax=ax))
        frame = self.agreement
        if frame is not None:
            panels.append(lambda ax: plots.agreement(frame, ax=ax))
        return plots.sheet(panels, size=(5.2, 3.9))

    def words(self) -> str:
        """What both show, how they agree, and what is best for the task picked."""
        S, T = self._any.values.shape
        i, j = (list(self.matrices).index(name) for name in (self.left, self.right))
        parts = [
            f"Transfer from {S} source{'s' * (S > 1)} (rows) to {T} target{'s' * (T > 1)} (columns).",
            f"Left, {_range(self.labels[self.left], self.matrices[self.left])}",
            f"Right, {_range(self.labels[self.right], self.matrices[self.right])}" if i != j else "",
            f"Over all pairs of different tasks their Spearman's ρ is {signed(self._rho[0, i, j])}, and within targets "
            f"{signed(self._rho[1, i, j])} on average."
            if i != j
            else "",
            self._agreed,
            self._best_for(self.task) if self.task >= 0 else "",
        ]
        return " ".join(filter(None, parts))

    @property
    def _any(self) -> TransferMatrix:
        return next(iter(self.matrices.values()))

    @property
    def _agreed(self) -> str:
        return self._why_none if self.agreement is None else agreement_words(self.agreement, self.labels)

    @property
    def _arranged(self) -> np.ndarray | None:
        """The order of the tasks, None as given."""
        found = [self._orders[name] for name in (self.left, self.right)]
        return None if self.order == "given" else next((each for each in found if each is not None), None)

    def _matrix(self, name: str, ax: Any) -> Any:
        plots.transfer_matrix(
            self.matrices[name], show="values" if self.shown == "values" else "ranks", order=self._arranged, ax=ax
        )
        ax.set_title(self.labels[name], fontsize=10)
        return ax

    def _best_for(self, t: int) -> str:
        """The best other source of a target, by both."""
        said = []
        for name in dict.fromkeys((self.left, self.right)):
            matrix = self.matrices[name]
            column = np.where(others(matrix)[:, t], matrix.values[:, t], np.nan)
            if np.isfinite(column).any():
                said.append(f"{matrix.sources[int(np.nanargmax(column))]} by {self.labels[name]}")
        return f"Best other source for {self.task_names[t]}: {', '.join(said) or 'unknown'}."

    def _texts(self) -> dict[str, Any]:
        """Names and how the matrices were made."""
        matrices = self.matrices.values()
        table = [] if self.agreement is None else agreement_rows(self.agreement, self.labels)
        return {
            "names": list(self.matrices),
            "labels": list(self.labels.values()),
            "made": [how_made(matrix) for matrix in matrices],
            "by_target": [by_target(matrix) for matrix in matrices],
            "digits": [_digits(matrix.values) for matrix in matrices],
            "gains": [is_gain(matrix) for matrix in matrices],
            "repeats": [0 if matrix.samples is None else len(matrix.samples) for matrix in matrices],
            "orders": [None if each is None else each.tolist() for each in self._orders.values()],
            "sources": list(self._any.sources),
            "agreement": {"rows": table, "words": self._agreed},
        }

    def _numbers(self) -> dict[str, np.ndarray]:
        """Everything that a cell can be asked, for each of the matrices by its number."""
        arrays = {"rho": self._rho}
        for i, matrix in enumerate(self.matrices.values()):
            arrays |= {f"values {i}": matrix.values, f"ranks {i}": matrix.ranks()}
            if matrix.floor is not None:
                arrays[f"floor {i}"] = matrix.floor
            if matrix.samples is not None:
                arrays[f"low {i}"], arrays[f"high {i}"] = matrix.interval(LEVEL)
        return arrays

    @traitlets.validate("left", "right")
    def _known_name(self, proposal: Mapping[str, Any]) -> str:
        name = str(proposal["value"])
        if name not in self.matrices:
            raise traitlets.TraitError(f"expected one of {', '.join(self.matrices)}; got {name!r}")
        return name

    def __repr__(self) -> str:
        return f"TransferExplorer({self._title})"


def _label(name: str, matrix: TransferMatrix) -> str:
    """A name to be read: that of the score, where it is not one of the user's own."""
    if name == MEASURED:
        return f"measured {matrix.label}"
    return matrix.label if name == matrix.estimator else name


def _title(matrices: Mapping[str, TransferMatrix]) -> str:
    S, T = next(iter(matrices.values())).values.shape
    count = len(matrices) - (MEASURED in matrices)
    size = f"{S} source{'s' * (S > 1)} on {T} target{'s' * (T > 1)}"
    return f"{count} score{'s' * (count > 1)}{' and measured' * (MEASURED in matrices)}, {size}"


def _range(label: str, matrix: TransferMatrix) -> str:
    """From where to where the values go, and between whom."""
    if not np.isfinite(matrix.values).any():
        return f"{label}: nothing is known."
    ends = (np.unravel_index(find(matrix.values), matrix.values.shape) for find in (np.nanargmin, np.nanargmax))
    said = [f"{matrix.values[s, t] + 0.0:.3g} ({matrix.sources[s]} on {matrix.targets[t]})" for s, t in ends]
    unknown = int(np.isnan(matrix.values).sum())
    return f"{label}: from {said[0]} to {said[1]}{f'; {unknown} unknown' if unknown else ''}."


def _digits(values: np.ndarray) -> int:
    """How many decimals tell values apart."""
    known = values[np.isfinite(values)]
    span = float(np.ptp(known)) if known.size else 1.0
    return int(np.clip(np.ceil(1.5 - np.log10(max(span, 1e-9))), 0, 3)) if span > 0 else 2
