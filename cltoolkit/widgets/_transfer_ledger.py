"""Transfer matrices brought together: rows and columns alike, and what can be said of any two of them."""

from collections.abc import Mapping
from dataclasses import replace
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from .. import transferability
from ..embeddings import dendrogram_order, score_distances
from ..transferability import TransferMatrix

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["LEVEL", "MEASURED", "agreed", "correlations", "gathered", "is_gain", "order_of", "others", "pairs_of"]

MEASURED = "measured"
FEWEST = 3  # sources of a target whose order says anything
LEVEL = 0.95  # of all intervals


def gathered(
    scores: TransferMatrix | Mapping[str, TransferMatrix], measured: TransferMatrix | None
) -> dict[str, TransferMatrix]:
    """All matrices by name, rows and columns in the order of the first."""
    named = {scores.estimator: scores} if isinstance(scores, TransferMatrix) else dict(scores)
    if not named:
        raise ValueError("expected at least one transfer matrix; got none")
    if MEASURED in named:
        raise ValueError(f"expected scores of other names than {MEASURED!r}; give that matrix as `measured`")
    if measured is not None:
        named[MEASURED] = measured
    for name, matrix in named.items():
        if not isinstance(matrix, TransferMatrix):
            raise TypeError(
                f"expected a TransferMatrix as {name!r}; got a {type(matrix).__name__}; "
                'of measured transfer give one: measured=truth["fine_tune_gain"]'
            )
    first = next(iter(named.values()))
    alike = set(first.sources) == set(first.targets)
    sources = first.targets if alike else first.sources
    return {name: _aligned(name, matrix, sources, first.targets) for name, matrix in named.items()}


def _aligned(name: str, matrix: TransferMatrix, sources: tuple[str, ...], targets: tuple[str, ...]) -> TransferMatrix:
    """The matrix with its rows and columns in this order."""
    if set(matrix.sources) != set(sources) or set(matrix.targets) != set(targets):
        odd = (set(matrix.sources) ^ set(sources)) | (set(matrix.targets) ^ set(targets))
        raise ValueError(
            f"expected all matrices to have the same sources and targets; {name!r} differs in {sorted(odd)[:5]}; "
            "compute all on the same tasks"
        )
    rows, columns = [matrix.sources.index(each) for each in sources], [matrix.targets.index(each) for each in targets]
    down, across = np.ix_(rows, columns)
    each = {key for key, value in matrix.settings.items() if isinstance(value, list) and len(value) == len(targets)}
    settings = {key: [value[j] for j in columns] if key in each else value for key, value in matrix.settings.items()}
    return replace(
        matrix,
        values=matrix.values[down, across],
        floor=None if matrix.floor is None else matrix.floor[down, across],
        samples=None if matrix.samples is None else matrix.samples[:, down, across],
        sources=sources,
        targets=targets,
        settings=settings,
    )


def others(matrix: TransferMatrix) -> np.ndarray:
    """`(S, T)`: pairs of different tasks."""
    return np.array(matrix.sources)[:, None] != np.array(matrix.targets)


def pairs_of(x: TransferMatrix, y: TransferMatrix) -> np.ndarray:
    """`(S, T)`: pairs of different tasks with both values known."""
    return np.asarray(others(x) & np.isfinite(x.values) & np.isfinite(y.values))


def order_of(matrix: TransferMatrix) -> np.ndarray | None:
    """Similar tasks side by side; None where not every task is a source of every other one."""
    if matrix.sources != matrix.targets or not np.isfinite(matrix.values[others(matrix)]).all():
        return None
    return dendrogram_order(score_distances(matrix.values))


def correlations(matrices: list[TransferMatrix]) -> np.ndarray:
    """`(2, N, N)`: Spearman's ρ over all pairs of different tasks, and its mean within targets."""
    rho = np.full((2, len(matrices), len(matrices)), np.nan)
    for i, j in combinations(range(len(matrices)), 2):
        x, y, pairs = matrices[i].values, matrices[j].values, pairs_of(matrices[i], matrices[j])
        each = [_spearman(x[at, t], y[at, t]) for t, at in enumerate(pairs.T) if at.sum() >= FEWEST]
        known = [value for value in each if np.isfinite(value)]
        rho[:, i, j] = rho[:, j, i] = _spearman(x[pairs], y[pairs]), np.mean(known) if known else np.nan
    return rho


def _spearman(x: np.ndarray, y: np.ndarray) -> float:
    return float(transferability.spearman(x[None], y[None])[0]) if len(x) >= FEWEST else np.nan


def agreed(matrices: Mapping[str, TransferMatrix]) -> tuple["pd.DataFrame | None", str]:
    """How scores agree with what was measured; None, and why."""
    if MEASURED not in matrices:
        return None, ""
    scores = {name: matrix for name, matrix in matrices.items() if name != MEASURED}
    try:
        return transferability.agreement(scores, matrices[MEASURED], level=LEVEL), ""
    except ValueError as error:
        return None, f"No agreement can be computed: {error}."


def is_gain(matrix: TransferMatrix) -> bool:
    """Whether values are differences, whose zero means no transfer."""
    return matrix.estimator.endswith("_gain")
