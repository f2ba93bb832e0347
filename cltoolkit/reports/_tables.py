"""The numbers of the report as data frames, for those who want to go on with them."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from ..groups import Given, grouped, opened
from ._made import columns_of
from ._values import Reference, collected

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["differences", "settings", "summary"]


def summary(
    runs: Given | Iterable[Given],
    *,
    measures: Sequence[str] | None = None,
    single: Reference = None,
    joint: Reference = None,
    level: float = 0.95,
) -> "pd.DataFrame":
    """One row per learner: the mean of each measure over seeds, and half the width of Student's interval for it.

    Runs are seeds of one row if they agree in everything but the seed: learner, its settings, network, sequence,
    training, and the number of tasks learned. Two runs of one seed are averaged first.

    Args:
        runs: Runs, or their folders.
        measures: names of `metrics.table`; by default acc, bwt, forgetting, fwt, and those whose reference is known.
        single: `(T,)`, each task learned alone, or a Run of Separate, for `plasticity_gain`; by default the Run of
            Separate of the same seed, if it is among `runs`.
        joint: `(T,)`, or a Run of Joint, for `intransigence`; by default that of the same seed, if it is among `runs`.
        level: the share of such intervals that hold the true mean, if values are normally distributed.

    Returns:
        Columns "learner", "sequence", "tasks" (learned), "seeds", and for each measure its mean and `measure_half`: NaN
        of a single seed, for which there is no interval.

    Raises:
        ValueError: if no run came, a measure is unknown, or a shape is wrong.
        TypeError: if something came that is no Run.

    Example:
        >>> import numpy as np
        >>> from cltoolkit import Run
        >>> from cltoolkit.reports import summary
        >>> runs = [
        ...     Run(np.array([[0.5, 0.5], [1.0, 0.5], [end, 1.0]]), {"learner": {"name": "Finetune"}, "seed": seed})
        ...     for seed, end in enumerate((0.7, 0.8))
        ... ]
        >>> summary(runs, measures=["acc", "bwt"]).round(2)
            learner sequence  tasks  seeds   acc  acc_half   bwt  bwt_half
        0  Finetune  2 tasks      2      2  0.88      0.32 -0.25      0.64
    """
    import pandas as pd

    values = collected(grouped(opened(runs)), measures, single=single, joint=joint, level=level)
    rows = []
    for group in values.groups:
        row = {"learner": group.label, "sequence": group.sequence, "tasks": group.done, "seeds": len(group.seeds)}
        for measure in values.measures:
            mean, half = values.mean(group, measure)
            row |= {measure: mean, f"{measure}_half": half}
        rows.append(row)
    return pd.DataFrame(rows)


def differences(
    runs: Given | Iterable[Given],
    measure: str = "acc",
    *,
    single: Reference = None,
    joint: Reference = None,
    level: float = 0.95,
) -> "pd.DataFrame":
    """One row per pair of learners: the mean of one less the other over the seeds both have, with Student's interval.

    What a seed does to both cancels. Only runs of the same tasks are paired.

    Args:
        runs: Runs, or their folders.
        measure: a name of `metrics.table`.
        single: as in `summary`.
        joint: as in `summary`.
        level: the share of such intervals that hold the true mean.

    Returns:
        Columns "learner", "against", "mean", "low", "high", "seeds" (in common), "clear": whether the interval leaves
        out 0. low and high are NaN of a single seed.

    Raises:
        ValueError: if no run came, the measure is unknown, or a shape is wrong.
        TypeError: if something came that is no Run.

    Example:
        >>> import numpy as np
        >>> from cltoolkit import Run
        >>> from cltoolkit.reports import differences
        >>> def run(name, seed, end):
        ...     accuracy = np.array([[0.5, 0.5], [1.0, 0.5], [end, 1.0]])
        ...     return Run(accuracy, {"learner": {"name": name}, "seed": seed})
        >>> runs = [run("Joint", 0, 1.0), run("Joint", 1, 0.9), run("Finetune", 0, 0.7), run("Finetune", 1, 0.58)]
        >>> differences(runs).round(3)
          learner   against   mean    low   high  seeds  clear
        0   Joint  Finetune  0.155  0.091  0.219      2   True
    """
    import pandas as pd

    values = collected(grouped(opened(runs)), [measure], single=single, joint=joint, level=level)
    columns = ["learner", "against", "mean", "low", "high", "seeds", "clear"]
    return pd.DataFrame(
        [[c.learner, c.against, c.mean, c.low, c.high, c.seeds, c.clear] for c in values.compared(measure)],
        columns=columns,
    )


def settings(runs: Given | Iterable[Given]) -> "pd.DataFrame":
    """With what each learner was trained: a row per setting, a column per learner.

    Args:
        runs: Runs, or their folders.

    Returns:
        Words; the index holds dotted names, such as "training.epochs". Missing is a setting that a learner has not.
        Where seeds of one learner differ (in how often they were evaluated, or in the data they drew), all values.

    Raises:
        ValueError: if no run came.
        TypeError: if something came that is no Run.

    Example:
        >>> import numpy as np
        >>> from cltoolkit import Run
        >>> from cltoolkit.reports import settings
        >>> config = {"learner": {"name": "Finetune", "config": {"lr": 0.1}}, "training": {"epochs": 3}}
        >>> settings(Run(np.zeros((2, 1)), config))
                         Finetune
        setting
        learner          Finetune
        learner.lr            0.1
        training.epochs         3
    """
    import pandas as pd

    columns = columns_of(grouped(opened(runs)))
    order = dict.fromkeys(name for column in columns.values() for name in column)
    return pd.DataFrame(columns, index=list(order), dtype=object).rename_axis("setting")
