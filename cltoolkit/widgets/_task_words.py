"""What a map of tasks says in words: how far to trust it, and who is near whom."""

import numpy as np

from ..embeddings import TaskMap

__all__ = ["VERDICTS", "WORST", "extremes", "nearest", "trust"]

VERDICTS = ((0.025, "excellent"), (0.05, "good"), (0.1, "fair"), (0.2, "poor"))  # Kruskal's words, as the plots have
WORST = "not to be trusted"


def trust(found: TaskMap) -> str:
    """How far to trust a map: number and word."""
    share = "" if found.variance is None else f", {100 * found.variance:.0f} % of the variance"
    if not np.isfinite(found.stress):
        return f"stress unknown{share}"
    word = next((word for bound, word in VERDICTS if found.stress <= bound), WORST)
    return f"stress {found.stress:.3f} ({word}){share}"


def extremes(found: TaskMap) -> str:
    """The closest and the farthest tasks, by true distance."""
    n = len(found.names)
    if n < 2:
        return ""
    s, t = np.triu_indices(n, 1)
    pairs = found.distances[s, t]
    near, far = int(pairs.argmin()), int(pairs.argmax())
    closest = f"Closest are {found.names[s[near]]} and {found.names[t[near]]}, {pairs[near]:.3g} apart"
    if n == 2:
        return f"{closest}."
    return f"{closest}; farthest are {found.names[s[far]]} and {found.names[t[far]]}, {pairs[far]:.3g} apart."


def nearest(found: TaskMap, task: int) -> str:
    """Who is truly nearest to a task."""
    if len(found.names) < 2:
        return ""
    away = found.distances[task].copy()
    away[task] = np.inf
    return f"; nearest to it is {found.names[int(away.argmin())]}, {away.min():.3g} away"
