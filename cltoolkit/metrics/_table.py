"""All metrics of one run at once, under names that say which dialect they are."""

from numpy.typing import ArrayLike

from ._dialects import KEYS, METRICS, Direction, available
from ._inputs import Record, gather, nearest


def table(
    accuracy_or_run: ArrayLike | Record,
    *,
    single: ArrayLike | Record | None = None,
    joint: ArrayLike | Record | None = None,
    weights: ArrayLike | None = None,
) -> dict[str, float]:
    """Every metric that can be computed from what is given, one number each.

    A plain name is the dialect of the paper that named it: `acc`, `bwt` and `fwt` are GEM's, `forgetting` Chaudhry's.
    Any other dialect is in the name: `bwt_diaz`, `forgetting_avalanche`. `label` spells a name out, `explain` shows
    where its value comes from.

    Args:
        accuracy_or_run: `(T + 1, T)` accuracy matrix, or a Run. A Run with evaluations during training has the any-time
            metrics of them (`aaa`, `min_acc`, `wc_acc`); the same over one evaluation after each task end in `_tasks`.
        single: `(T,)`, each task learned alone, or a Run of Separate: adds `plasticity_gain`.
        joint: `(T,)`, tasks 1..k learned together, or a Run of Joint: adds `intransigence`.
        weights: `(T,)`, test examples per task: adds `acc_samples`. A Run knows its own.

    Returns:
        Name → value, default dialects first; NaN where a cell is unknown or T = 1 leaves a metric undefined.

    Raises:
        ValueError: if a shape is wrong.

    Example:
        >>> values = table([[0.5, 0.5], [1.0, 0.5], [0.75, 1.0]])
        >>> values["acc"], values["bwt"], values["forgetting"]
        (0.875, -0.25, 0.25)
    """
    given = gather(accuracy_or_run, single=single, joint=joint, weights=weights)
    known = [
        dialect for metric in METRICS.values() for dialect in metric.dialects.values() if available(dialect, given)
    ]
    known.sort(key=lambda dialect: dialect.key not in METRICS)
    return {dialect.key: dialect.value(given) for dialect in known}


def label(key: str) -> str:
    """A name of the table in words, with its dialect.

    Args:
        key: a name of `table`.

    Raises:
        ValueError: if there is no such name; the message has the nearest one.

    Example:
        >>> label("bwt")
        'backward transfer (gem)'
    """
    name, dialect = _find(key)
    return f"{METRICS[name].title} ({dialect})"


def direction(key: str) -> Direction:
    """Which values of a metric are better: `higher` or `lower`.

    Args:
        key: a name of `table`.

    Raises:
        ValueError: if there is no such name; the message has the nearest one.

    Example:
        >>> direction("forgetting")
        'lower'
    """
    return METRICS[_find(key)[0]].direction


def unit(key: str) -> str:
    """What a metric is measured in: `fraction`, or `difference of fractions`.

    Args:
        key: a name of `table`.

    Raises:
        ValueError: if there is no such name; the message has the nearest one.

    Example:
        >>> unit("bwt")
        'difference of fractions'
    """
    return METRICS[_find(key)[0]].unit


def compare_dialects(
    accuracy_or_run: ArrayLike | Record, *, joint: ArrayLike | Record | None = None, weights: ArrayLike | None = None
) -> dict[str, dict[str, float]]:
    """The numbers that other tools would print for one matrix under the same few names.

    Args:
        accuracy_or_run: `(T + 1, T)` accuracy matrix, or a Run.
        joint: `(T,)` or a Run of Joint, for Chaudhry's intransigence.
        weights: `(T,)`, test examples per task, for Avalanche's accuracy; a Run knows its own.

    Returns:
        Tool or paper → metric → value. As a table: `pandas.DataFrame(compare_dialects(run)).T`.

    Raises:
        ValueError: if a shape is wrong.

    Example:
        >>> rows = compare_dialects([[0.5, 0.5], [0.5, 0.5], [0.75, 1.0]])
        >>> rows["FACIL"]["forgetting"], rows["Mammoth"]["forgetting"]
        (-0.25, 0.0)
    """
    given = gather(accuracy_or_run, joint=joint, weights=weights)
    peers: dict[str, dict[str, float]] = {}
    for name, metric in METRICS.items():
        for dialect in filter(lambda dialect: available(dialect, given), metric.dialects.values()):
            for peer in dialect.peers:
                peers.setdefault(peer, {})[name] = dialect.value(given)
    return peers


def _find(key: str) -> tuple[str, str]:
    if key not in KEYS:
        raise ValueError(f"unknown metric {key!r}{nearest(key, KEYS)}; there are {', '.join(KEYS)}")
    return KEYS[key]
