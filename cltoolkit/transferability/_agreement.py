"""How well scores predict the truth: rank correlations, with intervals."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

import numpy as np

from ..randomness import key_seed
from ._correlation import MEASURES, Measure, resampled
from ._matrix import TransferMatrix

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["agreement"]

FEWEST = 3  # points of which a correlation says anything: of two it is always 1 or -1


def agreement(
    scores: Mapping[str, TransferMatrix],
    truth: TransferMatrix | Mapping[str, TransferMatrix],
    *,
    over: Literal["targets", "pairs"] = "targets",
    diagonal: bool = False,
    level: float = 0.95,
    resamples: int = 1000,
    seed: int = 0,
) -> "pd.DataFrame":
    """How well each score agrees with the truth about which source serves which target.

    Three correlations: Kendall's τ weighted towards the best sources (weight 1 / rank, additive), Spearman's ρ,
    Pearson's r.

    A truth with ties, such as groups, keeps rank correlations below 1 whatever the score: compare with what a perfect
    score would reach. Intervals from five targets or so are rough themselves, and pairs that share a task are not
    independent, so those over pairs are rather too narrow.

    Args:
        scores: matrices by estimator, such as `transfer_matrix` gives.
        truth: measured transfer, or whatever else is to be predicted; or several by name. Rows and columns are matched
            by name.
        over: "targets" asks which source is best for a target: the correlation over the sources of each target, and
            the mean of them, so that targets need no common scale. "pairs" asks it of all pairs in one correlation.
        diagonal: whether pairs count whose source is the target itself, which any sensible score puts first.
        level: of the intervals.
        resamples: of the percentile bootstrap, over targets (the sources stay as they are) or over pairs. The interval
            says how the value would vary with other targets (pairs) of the same kind.
        seed: draws them.

    Returns:
        A row for each estimator, truth and measure: "estimator", "truth", "measure" ("weighted_kendall", "spearman",
        "pearson"), "value", "low", "high", "n" (targets, or pairs, behind the value) and "undefined" (targets left
        out because all their scores, or all true values, are equal, or fewer than three are known). What is undefined
        altogether is NaN.

    Raises:
        ValueError: if names differ, or there are too few pairs for any correlation.

    References:
        Vigna, A Weighted Correlation Index for Rankings with Ties, WWW 2015.
        Agostinelli et al., How stable are Transferability Metrics evaluations?, ECCV 2022 (which measure asks what).

    Example:
        >>> names = ("a", "b", "c", "d")
        >>> values = np.random.default_rng(0).normal(size=(4, 4))
        >>> matrix = TransferMatrix(values, "h_score", names, names)
        >>> agreement({"h_score": matrix}, matrix)[["measure", "value", "n"]]
                    measure  value  n
        0  weighted_kendall    1.0  4
        1          spearman    1.0  4
        2           pearson    1.0  4
    """
    import pandas as pd

    if over not in ("targets", "pairs"):
        raise ValueError(f"expected over='targets' or 'pairs'; got {over!r}")
    if not 0 < level < 1 or resamples < 1:
        raise ValueError(f"expected 0 < level < 1 and resamples of at least 1; got {level} and {resamples}")
    truths = {truth.estimator: truth} if isinstance(truth, TransferMatrix) else truth
    if not scores or not truths:
        raise ValueError(f"expected at least one score and one truth; got {len(scores)} and {len(truths)}")
    rows = []
    for name, score in scores.items():
        for truth_name, true in truths.items():
            x, y = _aligned(score, true, diagonal=diagonal, what=f"{name!r} and {truth_name!r}")
            if over == "pairs":
                x, y = x.reshape(-1, 1), y.reshape(-1, 1)
            _check_enough(x, y, f"{name!r} and {truth_name!r}")
            for measure, of in MEASURES.items():
                rng = np.random.default_rng(key_seed(seed, "agreement", over))  # the same for all, so that they compare
                found = (_over_pairs if over == "pairs" else _over_targets)(of, x, y, level, resamples, rng)
                rows.append({"estimator": name, "truth": truth_name, "measure": measure} | found)
    frame = pd.DataFrame(rows)
    frame.attrs = {"over": over, "diagonal": diagonal, "level": level}
    return frame


def _aligned(
    score: TransferMatrix, true: TransferMatrix, *, diagonal: bool, what: str
) -> tuple[np.ndarray, np.ndarray]:
    """Both `(S, T)` in the score's order, NaN wherever one of them does not count."""
    for kind in ("sources", "targets"):
        mine, theirs = set(vars(score)[kind]), set(vars(true)[kind])
        if mine != theirs:
            raise ValueError(
                f"expected {what} to have the same {kind}; only one of them has {sorted(mine ^ theirs)[:5]}; "
                "compute both on the same tasks"
            )
    rows = [true.sources.index(name) for name in score.sources]
    columns = [true.targets.index(name) for name in score.targets]
    x, y = score.values.copy(), true.values[np.ix_(rows, columns)]
    out = np.isnan(x) | np.isnan(y)
    if not diagonal:
        out |= np.array(score.sources)[:, None] == np.array(score.targets)
    x[out] = y[out] = np.nan
    return x, y


def _check_enough(x: np.ndarray, y: np.ndarray, what: str) -> None:
    most = int((~np.isnan(x)).sum(0).max())
    if most < FEWEST:
        raise ValueError(
            f"expected at least {FEWEST} pairs of {what} to correlate; got at most {most}; "
            "use more tasks, over='pairs', or diagonal=True"
        )


def _over_targets(
    of: Measure, x: np.ndarray, y: np.ndarray, level: float, resamples: int, rng: np.random.Generator
) -> dict[str, float | int]:
    """The mean of the targets' correlations; their bootstrap."""
    columns = [(a[k], b[k]) for a, b, k in zip(x.T, y.T, ~np.isnan(x.T), strict=True)]
    each = np.array([of(a[None], b[None])[0] if len(a) >= FEWEST else np.nan for a, b in columns])
    defined = each[~np.isnan(each)]
    undefined = len(each) - len(defined)
    if not len(defined):
        return _row(np.nan, np.array([np.nan]), level, 0, undefined)
    drawn = defined[rng.integers(len(defined), size=(resamples, len(defined)))].mean(1)
    return _row(float(defined.mean()), drawn, level, len(defined), undefined)


def _over_pairs(
    of: Measure, x: np.ndarray, y: np.ndarray, level: float, resamples: int, rng: np.random.Generator
) -> dict[str, float | int]:
    """The correlation of all pairs; their bootstrap. Resamples without a correlation are left out of it."""
    known = ~np.isnan(x)
    a, b = x[known], y[known]
    value = float(of(a[None], b[None])[0])
    index = rng.integers(len(a), size=(resamples, len(a)))
    drawn = resampled(of, a, b, index) if np.isfinite(value) else np.array([np.nan])
    return _row(value, drawn, level, len(a) if np.isfinite(value) else 0, int(np.isnan(value)))


def _row(value: float, drawn: np.ndarray, level: float, count: int, undefined: int) -> dict[str, float | int]:
    """The value with the percentiles of its bootstrap."""
    known = drawn[~np.isnan(drawn)]
    ends = np.quantile(known, [(1 - level) / 2, (1 + level) / 2]) if len(known) else (np.nan, np.nan)
    return {"value": value, "low": float(ends[0]), "high": float(ends[1]), "n": count, "undefined": undefined}
