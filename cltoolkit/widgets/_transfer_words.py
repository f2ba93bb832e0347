"""What is said of transfer matrices: how each was made, and which estimators agree with what was measured."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..transferability import TransferMatrix
from ._words import number

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["agreement_rows", "agreement_words", "by_target", "how_made", "signed"]

TABLED = ("weighted_kendall", "spearman")  # Pearson's r asks for a common scale, which estimators do not have


def how_made(matrix: TransferMatrix) -> str:
    """Everything the settings know, written plainly; values of single targets aside."""
    known = {name: value for name, value in matrix.settings.items() if not _of_targets(matrix, value)}
    said = ", ".join(f"{name.replace('_', ' ')} {_plain(value)}" for name, value in known.items())
    repeats = "" if matrix.samples is None else f"; mean of {len(matrix.samples)} repetitions"
    return f"{matrix.estimator}{': ' if said else ''}{said}{repeats}"


def by_target(matrix: TransferMatrix) -> dict[str, list[float | None]]:
    """Those settings that hold a number for each target."""
    listed = {name: value for name, value in matrix.settings.items() if _of_targets(matrix, value)}
    return {name.replace("_", " "): [_number(x) for x in value] for name, value in listed.items()}


def agreement_rows(frame: "pd.DataFrame", labels: dict[str, str]) -> list[list[str]]:
    """The table: an estimator, weighted Kendall's τ, Spearman's ρ, and behind how many targets; the best on top."""
    held = {(row["estimator"], row["measure"]): row for row in frame.to_dict("records")}
    names = sorted(dict.fromkeys(frame["estimator"]), key=lambda name: _down(held[name, "spearman"]["value"]))
    return [
        [labels[name], *(_cell(held[name, measure]) for measure in TABLED), str(held[name, "spearman"]["n"])]
        for name in names
    ]


def agreement_words(frame: "pd.DataFrame", labels: dict[str, str]) -> str:
    """Which estimator agrees best, which cannot be told apart from it, and which agree with nothing."""
    rows = [row for row in frame[frame["measure"] == "spearman"].to_dict("records") if np.isfinite(row["value"])]
    if not rows:
        return "No estimator has a rank correlation with what was measured: all its scores, or all gains, are equal."
    best, *others = sorted(rows, key=lambda row: -row["value"])
    of = {row["estimator"]: labels[row["estimator"]] for row in rows}
    same = [of[row["estimator"]] for row in others if row["high"] >= best["low"]]
    below = [of[row["estimator"]] for row in others if row["high"] < best["low"]]
    unsure = [of[row["estimator"]] for row in rows if row["low"] <= 0 <= row["high"]]
    level = f"{100 * frame.attrs.get('level', 0.95):g} %"
    parts = [
        f"By Spearman's ρ within targets, {of[best['estimator']]} agrees best with what was measured, {_cell(best)}.",
        f"Not to be told apart from it, as their {level} intervals overlap: {_listed(same)}." if same else "",
        f"Below it, with intervals apart: {_listed(below)}." if below else "",
        f"No agreement is shown for {_listed(unsure)}: zero lies in the interval." if unsure else "",
    ]
    return " ".join(filter(None, parts))


def signed(value: float) -> str:
    """A correlation with its sign, or "unknown"."""
    return number(value, "+z.2f")


def _of_targets(matrix: TransferMatrix, value: Any) -> bool:
    """Whether a setting holds a number for each target."""
    fits = isinstance(value, list | tuple) and len(value) == len(matrix.targets)
    return fits and all(isinstance(x, int | float) and not isinstance(x, bool) for x in value)


def _plain(value: Any) -> str:
    """A setting in words."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return "(" + ", ".join(f"{name} {_plain(each)}" for name, each in value.items()) + ")"
    if isinstance(value, list | tuple):
        return " ".join(map(_plain, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def _number(x: float) -> float | None:
    return float(x) if np.isfinite(x) else None


def _cell(row: dict[str, Any]) -> str:
    if not np.isfinite(row["value"]):
        return "unknown"
    return f"{signed(row['value'])} [{signed(row['low'])}, {signed(row['high'])}]"


def _down(value: float) -> float:
    return -value if np.isfinite(value) else np.inf


def _listed(names: Sequence[str]) -> str:
    """Names in a row; names with a comma of their own, such as "H-score, adjusted", are told apart by semicolons."""
    comma, last = ("; ", "; and ") if any("," in name for name in names) else (", ", " and ")
    return names[0] if len(names) == 1 else f"{comma.join(names[:-1])}{last}{names[-1]}"
