"""Every source on every target: the record that tables, figures and predictions read."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from ..embeddings import ahp
from ..files import write_atomically
from ..metrics import mean_and_interval
from ._table import ESTIMATORS

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["TransferMatrix"]

FORMAT = "cltoolkit-transfer-matrix"
VERSION = 1
ARRAYS = ("values", "floor", "samples")


@dataclass(frozen=True, eq=False, repr=False)
class TransferMatrix:
    """How well each source serves each target.

    Args:
        values: `(S, T)`; [s, t] is the score of source s on target t. Larger is easier transfer, NaN is not computed.
        estimator: the name of the score: an estimator, or "linear_probe_gain", "fine_tune_gain" where it was measured.
        sources: the S names of the rows.
        targets: the T names of the columns.
        floor: `(S, T)`, what the score is expected to be if the features said nothing of the labels; None if unknown.
        samples: `(R, S, T)`, the repetitions of which `values` is the mean; None if there are none.
        settings: how it was made, in JSON's types.

    Raises:
        ValueError: if shapes or names do not fit together.

    Example:
        >>> matrix = TransferMatrix([[0.9, 0.3], [0.6, 0.9]], "h_score", ("a", "b"), ("a", "b"))
        >>> matrix
        TransferMatrix(H-score, 2 sources on 2 targets, 0.3 to 0.9)
        >>> matrix.ranks()
        array([[1., 2.],
               [2., 1.]])
        >>> matrix.normalized()
        array([[0.6 , 0.25],
               [0.4 , 0.75]])
    """

    values: np.ndarray
    estimator: str
    sources: tuple[str, ...]
    targets: tuple[str, ...]
    floor: np.ndarray | None = None
    samples: np.ndarray | None = None
    settings: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("sources", "targets"):
            object.__setattr__(self, name, _names(name, vars(self)[name]))
        shape = (len(self.sources), len(self.targets))
        for name in ARRAYS:
            given = vars(self)[name]
            if given is not None:
                object.__setattr__(self, name, _array(name, given, shape))
        if self.values is None:
            raise ValueError("expected values (S, T), a score for each source and target; got None")

    @property
    def label(self) -> str:
        """The score's name as axes and titles have it."""
        return label(self.estimator)

    def interval(self, level: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
        """Where the mean over further repetitions would lie: Student's t interval of each cell.

        Args:
            level: how often such an interval holds the truth.

        Returns:
            Its ends, each `(S, T)`; NaN where there are fewer than two repetitions.

        Raises:
            ValueError: if the level is not between 0 and 1.
        """
        if not 0 < level < 1:
            raise ValueError(f"expected a level between 0 and 1, such as 0.95; got {level}")
        center, half = mean_and_interval(self.values[None] if self.samples is None else self.samples, level=level)
        return center - half, center + half

    def ranks(self) -> np.ndarray:
        """`(S, T)`: the rank of each source for its target, 1 the best; ties share their mean; NaN stays."""
        from scipy.stats import rankdata

        return np.asarray(rankdata(-self.values, axis=0, nan_policy="omit"), dtype=np.float64)

    def normalized(self) -> np.ndarray:
        """`(S, T)`: shares, Σ_s = 1 in each column, so that targets of different scales compare.

        What the analytic hierarchy process makes of each column, see `embeddings.ahp`.
        """
        shares = np.full_like(self.values, np.nan)
        for column, scores in zip(shares.T, self.values.T, strict=True):
            known = ~np.isnan(scores)
            if known.any():
                column[known] = ahp(torch.from_numpy(scores[known])).numpy()
        return shares

    def to_frame(self) -> "pd.DataFrame":
        """The values as a table, a row for each source and a column for each target."""
        import pandas as pd

        rows = pd.Index(self.sources, name="source")
        return pd.DataFrame(self.values, index=rows, columns=pd.Index(self.targets, name="target"))

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Writes the matrix into one JSON file, at once or not at all. Returns its path.

        Raises:
            ValueError: if the settings hold something that JSON has no word for.
        """
        file = Path(path)
        arrays = {name: _as_json(vars(self)[name]) for name in ARRAYS}
        head = {"format": FORMAT, "version": VERSION, "estimator": self.estimator}
        names = {"sources": self.sources, "targets": self.targets, "settings": self.settings}
        try:
            text = json.dumps(head | names | arrays, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise ValueError(f"the settings of this matrix are not in JSON's types ({error}); write them so") from error
        write_atomically(file, f"{text}\n".encode())
        return file

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> "TransferMatrix":
        """Reads a matrix that `save` wrote.

        Raises:
            FileNotFoundError: if there is no such file.
            ValueError: if it is damaged, of another kind, or from a newer cltoolkit.
        """
        file = Path(path)
        with _legible(file):
            read = json.loads(file.read_text(encoding="utf-8"))
            if not isinstance(read, dict) or read.get("format") != FORMAT:
                raise ValueError(f"expected format {FORMAT!r}")
            if not isinstance(read["version"], int) or read["version"] > VERSION:
                raise ValueError(f"version {read['version']} is newer than this cltoolkit, which reads up to {VERSION}")
            arrays = {name: _of_json(read[name]) for name in ARRAYS}
            estimator, settings = read["estimator"], read["settings"]
            if not isinstance(estimator, str) or not isinstance(settings, dict):
                raise ValueError("estimator or settings are of the wrong kind")
            return cls(
                values=arrays["values"],
                estimator=estimator,
                sources=tuple(read["sources"]),
                targets=tuple(read["targets"]),
                floor=arrays["floor"],
                samples=arrays["samples"],
                settings=settings,
            )

    def __repr__(self) -> str:
        size = f"{len(self.sources)} source{'s' * (len(self.sources) != 1)} on {len(self.targets)} targets"
        known = self.values[np.isfinite(self.values)]
        span = f", {known.min():.3g} to {known.max():.3g}" if known.size else ""
        repeats = "" if self.samples is None else f", {len(self.samples)} repetitions"
        return f"TransferMatrix({self.label}, {size}{span}{repeats})"


GAINS = {"linear_probe_gain": "gain of a linear probe", "fine_tune_gain": "gain of fine-tuning"}


def label(estimator: str) -> str:
    """The name of an estimator, or of measured transfer, as axes and titles have it."""
    if estimator in ESTIMATORS:
        return ESTIMATORS[estimator].label
    return GAINS.get(estimator, estimator.replace("_", " "))


def _names(what: str, names: object) -> tuple[str, ...]:
    """Names of rows or columns, checked."""
    if isinstance(names, str) or not isinstance(names, tuple | list) or not all(isinstance(n, str) for n in names):
        raise ValueError(f"expected {what} as a tuple of names; got {names!r}")
    if not names or len(set(names)) < len(names):
        raise ValueError(f"expected at least one of the {what}, each with a name of its own; got {list(names)}")
    return tuple(names)


def _array(what: str, given: object, shape: tuple[int, int]) -> np.ndarray:
    """A float64 copy, of the shape that the names ask for."""
    array = np.array(given, dtype=np.float64)
    right = array.ndim == 3 and len(array) and array.shape[1:] == shape if what == "samples" else array.shape == shape
    if not right:
        wanted = ("R", *shape) if what == "samples" else shape
        raise ValueError(
            f"expected {what} of shape ({', '.join(map(str, wanted))}), sources × targets; got {array.shape}"
        )
    if np.isinf(array).any():
        raise ValueError(f"expected finite {what}, or NaN where nothing was computed; got infinity")
    return array


def _as_json(array: np.ndarray | None) -> Any:
    """Nested lists with None for NaN."""
    if array is None:
        return None
    numbers = array.astype(object)
    numbers[np.isnan(array)] = None
    return numbers.tolist()


def _of_json(lists: Any) -> Any:
    """An array of what `_as_json` gave."""
    return None if lists is None else np.array(lists, dtype=np.float64)


@contextmanager
def _legible(file: Path) -> Iterator[None]:
    """Turns every way in which a file can be no matrix into one clear error."""
    try:
        yield
    except FileNotFoundError:
        raise
    except (ValueError, TypeError, LookupError, RecursionError, OSError) as error:
        raise ValueError(f"{file} is no transfer matrix that can be read ({error}); take it from a copy") from error
