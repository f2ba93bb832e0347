"""Correlations of many pairs of rows at once."""

from collections.abc import Callable

import numpy as np

__all__ = ["MEASURES", "Measure", "pearson", "resampled", "spearman", "weighted_kendall"]

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


def resampled(of: Measure, x: np.ndarray, y: np.ndarray, picks: np.ndarray) -> np.ndarray:
    """`of(x[picks], y[picks])`: the correlation of `x` and `y` `(n,)` in each resample, a row of `picks` `(m, k)`."""
    return _resampled_tau(x, y, picks) if of is weighted_kendall else of(x[picks], y[picks])


def _resampled_tau(x: np.ndarray, y: np.ndarray, picks: np.ndarray) -> np.ndarray:
    """Weighted τ of all resamples at once: they share the signs of all pairs, and differ in how often each is drawn.

    A value drawn c times takes c ranks in a row, r to r + c − 1, so its weight is the difference of harmonic numbers
    H(r + c) − H(r); sums over pairs of draws are products of a matrix of weights with one of signs. As in scipy, τ is
    the mean over ranks by x (ties by y) and ranks by y (ties by x).
    """
    m, k = picks.shape
    n = len(x)
    drawn = np.bincount((picks + n * np.arange(m)[:, None]).ravel(), minlength=m * n).reshape(m, n)
    in_x, in_y = np.sign(x[:, None] - x), np.sign(y[:, None] - y)
    alike, varied_x, varied_y = in_x * in_y, in_x**2, in_y**2
    harmonic = np.concatenate([[0.0], np.cumsum(1 / np.arange(1, k + 1))])
    taus = np.zeros(m)
    for first, second in ((x, y), (y, x)):
        order = np.lexsort((second, first))[::-1]
        ranks = drawn[:, order].cumsum(1)
        weights = np.empty((m, n))
        weights[:, order] = harmonic[ranks] - harmonic[ranks - drawn[:, order]]
        tau, of_x, of_y = (((weights @ signs) * drawn).sum(1) for signs in (alike, varied_x, varied_y))
        norm = np.sqrt(of_x * of_y)
        taus += np.where(norm > 0, np.clip(tau / np.where(norm > 0, norm, 1), -1, 1), np.nan) / 2
    return taus


def _varied(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Of which pairs of rows both vary, `(m,)`."""
    return (np.ptp(x, axis=1) > 0) & (np.ptp(y, axis=1) > 0)


MEASURES: dict[str, Measure] = {"weighted_kendall": weighted_kendall, "spearman": spearman, "pearson": pearson}
