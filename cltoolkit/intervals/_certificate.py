"""The record of a certificate: which examples every network of a box answers right, and what that is worth."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from ..files import write_atomically

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Certificate", "ContradictionError"]

FORMAT, VERSION = "cltoolkit certificate", 1
NARROW = 1e-8  # a width below which an interval is a point for all purposes
NUMBERS = ("margins", "margins_plain", "width_quantiles")
DERIVED = ("n", "accuracy", "certified", "certified_plain", "vacuous", "verdict")


class ContradictionError(ArithmeticError):
    """A certified example is answered wrong by a network of the box: some bound is none."""


@dataclass(frozen=True, eq=False, repr=False)
class Certificate:
    """Which examples of a task every network of a box of weights answers right.

    An example is certified if its margin is above 0: then its label's logit is ahead of all others for each θ ∈ Θ, so
    `certified` ≤ the accuracy of every such network, the deployed one among them. It says nothing about examples that
    were not looked at. Everything else is read off the margins: nothing can be stored that they do not bear out.

    Args:
        task: t.
        margins: `(n,)` float64, least margin of each example over the box, the last layer elided.
        margins_plain: `(n,)` float64, that of the box of logits; never larger.
        correct: `(n,)` of bool, what the deployed weights answer right.
        width_quantiles: `(5,)` float64, widths of the weights' intervals: least, 25 %, 50 %, 75 %, largest.
        layer_widths: weight → its (25 %, 50 %, 75 %) of widths.
        collapsed: the fraction of weights whose interval is narrower than 1e-8.
        outside: how far the deployed weights lay outside the box, by rounding or else; the box certified is the least
            one that holds them too.
        rigorous: whether rounding is covered: that of the bounds, and that of a forward pass in `dtype`.
        dtype: "float64" or "float32".
        box_hash: SHA-256 of the box (`fingerprint`).
        weights_hash: that of the deployed weights.
        name: the task's name.
        settings: how it was computed, in JSON's types.

    Raises:
        ValueError: if shapes do not fit or there is no example.
        ContradictionError: if a certified example is answered wrong by the deployed weights.
    """

    task: int
    margins: NDArray[np.float64]
    margins_plain: NDArray[np.float64]
    correct: NDArray[np.bool_]
    width_quantiles: NDArray[np.float64]
    layer_widths: Mapping[str, tuple[float, float, float]]
    collapsed: float
    outside: float
    rigorous: bool
    dtype: str
    box_hash: str
    weights_hash: str
    name: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        shapes = [np.shape(value) for value in (self.margins, self.margins_plain, self.correct)]
        if not shapes[0] or shapes[0] == (0,) or len(set(shapes)) > 1 or len(shapes[0]) != 1:
            raise ValueError(f"expected margins, plain margins and answers of n ≥ 1 examples; got shapes {shapes}")
        if np.shape(self.width_quantiles) != (5,):
            raise ValueError(f"expected 5 quantiles of widths; got shape {np.shape(self.width_quantiles)}")
        wrong = np.flatnonzero((self.margins > 0) & ~self.correct)
        if len(wrong):
            i = int(wrong[0])
            raise ContradictionError(
                f"example {i} has the margin {self.margins[i]:.3g} > 0 over the box, and yet the deployed weights, a "
                f"point of it, answer it wrong ({len(wrong)} such examples): a rule that the network used is no bound"
                + ("; please report it" if self.rigorous else " once numbers are rounded; use rigorous=True")
            )

    @property
    def n(self) -> int:
        """How many examples were looked at."""
        return len(self.margins)

    @property
    def accuracy(self) -> float:
        """The fraction that the deployed weights answer right."""
        return float(np.mean(self.correct))

    @property
    def certified(self) -> float:
        """The fraction that every network of the box answers right, as far as the bounds tell: margins above 0."""
        return float(np.mean(self.margins > 0))

    @property
    def certified_plain(self) -> float:
        """The same without eliding the last layer; never more."""
        return float(np.mean(self.margins_plain > 0))

    @property
    def width(self) -> float:
        """The median width of the weights' intervals."""
        return float(self.width_quantiles[2])

    @property
    def vacuous(self) -> bool:
        """Whether it says nothing: half of the intervals are narrower than 1e-8, or no example is certified."""
        return self.width < NARROW or self.certified == 0

    @property
    def verdict(self) -> str:
        """What it says, in words; begins with "vacuous" where it says nothing."""
        rounding = "" if self.rigorous else " Rounding is not covered."
        if self.width < NARROW:
            what = "half of the weights' intervals are narrower than 1e-8, so it speaks of hardly more than one network"
            return f"vacuous: {what}.{rounding}"
        if self.certified == 0:
            return f"vacuous: none of {self.n} examples is certified, so nothing is promised.{rounding}"
        return (
            f"every network of the box answers at least {self.certified:.1%} of these {self.n} examples right; the "
            f"deployed one {self.accuracy:.1%}. Median width of a weight's interval: {self.width:.2g}.{rounding}"
        )

    def differences(self, other: "Certificate") -> list[str]:
        """What another certificate of the same box says differently: in words, nothing if they agree.

        Margins may differ by rounding, so a certificate can be recomputed on another machine; hashes may not.
        """
        found = [
            f"{what}: {mine!r} and {theirs!r}"
            for what, mine, theirs in (
                ("task", self.task, other.task),
                ("examples", self.n, other.n),
                ("box", self.box_hash[:12], other.box_hash[:12]),
                ("deployed weights", self.weights_hash[:12], other.weights_hash[:12]),
            )
            if mine != theirs
        ]
        if self.n == other.n:
            for what in ("margins", "margins_plain", "correct"):
                apart = ~np.isclose(vars(self)[what], vars(other)[what], rtol=1e-6, atol=1e-9, equal_nan=True)
                found += [f"{what}: {int(apart.sum())} of {self.n} differ"] if apart.any() else []
        return found

    def agrees_with(self, other: "Certificate") -> bool:
        """Whether another certificate, recomputed for instance, says the same of the same box."""
        return not self.differences(other)

    def to_frame(self) -> "pd.DataFrame":
        """One row per example: its margin, its plain margin, whether it is certified, whether it is answered right."""
        import pandas as pd

        columns = {"margin": self.margins, "margin_plain": self.margins_plain, "certified": self.margins > 0}
        return pd.DataFrame(columns | {"correct": self.correct}).rename_axis("example")

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes it as JSON, all of it or nothing; numbers as they are, to the last bit."""
        text = json.dumps(self._to_json(), indent=1, allow_nan=False) + "\n"
        write_atomically(Path(path), text.encode())

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> Self:
        """Reads what `save` wrote, and believes none of it: what follows from the margins must follow.

        Raises:
            FileNotFoundError: if there is no such file.
            ValueError: if it is no certificate, a newer one, or damaged.
        """
        text = Path(path).read_bytes()
        try:
            found = json.loads(text)
        except ValueError as error:
            raise _damaged(path, f"it is no JSON ({error})") from error
        if not isinstance(found, dict) or found.get("format") != FORMAT:
            raise _damaged(path, f"it does not say {FORMAT!r}")
        if found.get("version") != VERSION:
            raise ValueError(f"{path} has version {found.get('version')!r} of the format; this program reads {VERSION}")
        try:
            made = cls(**_from_json(found))
        except (KeyError, TypeError, ValueError, ArithmeticError) as error:
            raise _damaged(path, f"{type(error).__name__}: {error}") from error
        told = [what for what in DERIVED if found.get(what) != made._derived()[what]]
        if told:
            raise _damaged(path, f"its {told[0]} does not follow from its margins")
        return made

    def _derived(self) -> dict[str, Any]:
        return {
            "n": self.n,
            "accuracy": self.accuracy,
            "certified": self.certified,
            "certified_plain": self.certified_plain,
            "vacuous": self.vacuous,
            "verdict": self.verdict,
        }

    def _to_json(self) -> dict[str, Any]:
        own = vars(self) | {what: [_plain(float(v)) for v in vars(self)[what]] for what in NUMBERS}
        own["correct"] = [int(v) for v in self.correct]
        own["layer_widths"] = {name: [_plain(v) for v in values] for name, values in self.layer_widths.items()}
        own |= {"collapsed": _plain(self.collapsed), "outside": _plain(self.outside), "settings": dict(self.settings)}
        return {"format": FORMAT, "version": VERSION, **self._derived(), **own}

    def __repr__(self) -> str:
        name = f" {self.name!r}" if self.name else ""
        vacuous = ", vacuous" if self.vacuous else ""
        return (
            f"Certificate(task {self.task}{name}: {self.certified:.1%} certified ({self.certified_plain:.1%} plain) of "
            f"{self.n}, accuracy {self.accuracy:.1%}, median width {self.width:.2g}{vacuous})"
        )


def _plain(value: float) -> float | str:
    """A number as JSON has it; infinities and NaN, which it has not, as their names."""
    return value if np.isfinite(value) else repr(value)


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise TypeError(f"expected a number; got {value!r}")
    if isinstance(value, str) and value not in ("inf", "-inf", "nan"):
        raise ValueError(f"expected a number; got {value!r}")
    return float(value)


def _from_json(found: Mapping[str, Any]) -> dict[str, Any]:
    """The constructor's arguments, each of the type that it must have."""
    kinds = {"task": int, "rigorous": bool, "dtype": str, "box_hash": str, "weights_hash": str, "name": str}
    made = {what: _of_kind(found[what], kind, what) for what, kind in (*kinds.items(), ("settings", dict))}
    made |= {what: np.array([_number(v) for v in _of_kind(found[what], list, what)]) for what in NUMBERS}
    answers = _of_kind(found["correct"], list, "correct")
    if not set(answers) <= {0, 1}:
        raise ValueError("`correct` holds something else than 0 and 1")
    made |= {"correct": np.array(answers, dtype=bool)}
    layers = _of_kind(found["layer_widths"], dict, "layer_widths")
    made["layer_widths"] = {name: tuple(_number(v) for v in values) for name, values in layers.items()}
    return made | {what: _number(found[what]) for what in ("collapsed", "outside")}


def _of_kind(value: Any, kind: type, what: str) -> Any:
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise TypeError(f"expected `{what}` to be {kind.__name__}; got {value!r:.60}")
    return value


def _damaged(path: str | os.PathLike[str], why: str) -> ValueError:
    return ValueError(f"{path} is no certificate, or a damaged one: {why}. Compute it again with `certify`.")
