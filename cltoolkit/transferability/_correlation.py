"""Correlations of many pairs of rows at once."""

from collections.abc import Callable

import numpy as np

__all__ = ["MEASURES", "Measure", "pearson", "spearman", "weighted_kendall"]

Measure = Callable[[np.ndarray, np.ndarray], np.ndarray]


def pearson(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Pearson's r of each pair of rows `(m, n)`; NaN where one of them is constant."""
    varied = _varied(x, y)
    a, b = x - x.mean(1, keepdims=True), y - y.mean(1, keepdims=True)
    norms = np.sqrt((a**2).sum(1) * (b**2).sum(1))
    return np.where(varied, np.clip((a * b).sum(1) / np.where(norms > 0, norms, 1), -1, 1), np.nan)


def spearman(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Spearman's ρ of each pair of rows `(m, n)`; NaN where one of them is constant."""
    from scipy.stats import rankdata

    return pearson(rankdata(x, axis=1), rankdata(y, axis=1))


def weighted_kendall(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Vigna's weighted τ of each pair of rows `(m, n)`; NaN where one of them is constant."""
    from scipy.stats import weightedtau

    pairs = zip(x, y, _varied(x, y), strict=True)
    return np.array([weightedtau(a, b).statistic if varied else np.nan for a, b, varied in pairs])


def _varied(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Of which pairs of rows both vary, `(m,)`."""
    return (np.ptp(x, axis=1) > 0) & (np.ptp(y, axis=1) > 0)


MEASURES: dict[str, Measure] = {"weighted_kendall": weighted_kendall, "spearman": spearman, "pearson": pearson}
