"""Every metric of the accuracy matrix as one table: its dialects, their formulas, and the cells each one uses."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from numpy.typing import ArrayLike

from ..metrics import _anytime, _cells, _matrix, _references, _transfer
from ._inputs import Array, Inputs, Mask

Direction = Literal["higher", "lower"]
Need = Literal["single", "joint", "weights", "anytime"]
Measure = Callable[[ArrayLike, ArrayLike], float]  # of evaluations (E, T) and the task (E,) learned at each


@dataclass(frozen=True)
class Dialect:
    """One definition of a metric: who reports it, its value, and the cells of the accuracy matrix it looks at."""

    key: str
    formula: str
    peers: tuple[str, ...]
    value: Callable[[Inputs], float]
    cells: Callable[[Inputs], Mask]
    needs: Need | None = None


@dataclass(frozen=True)
class Metric:
    """One idea with its dialects, the package's own first."""

    title: str
    function: str
    direction: Direction
    unit: str
    note: str
    dialects: dict[str, Dialect]


def _known(values: Array | None) -> Array:
    if values is None:
        raise ValueError("this metric needs a reference that was not given")
    return values


def _during(measure: Measure) -> Callable[[Inputs], float]:
    def value(given: Inputs) -> float:
        return float("nan") if given.anytime is None else measure(*given.anytime)

    return value


def _anytime_dialects(key: str, formula: str, measure: Measure, cells: Callable[[Inputs], Mask]) -> dict[str, Dialect]:
    """Over the evaluations during training, and over one evaluation after each task."""

    def after(given: Inputs) -> float:
        return measure(*_anytime.after_tasks(given.accuracy))

    return {
        "steps": Dialect(
            key, f"{formula}, t: every evaluation during training", (), _during(measure), _cells.never, "anytime"
        ),
        "tasks": Dialect(f"{key}_tasks", f"{formula}, t: after each task", (), after, cells),
    }


FRACTION = "fraction"
DIFFERENCE = "difference of fractions"

METRICS: dict[str, Metric] = {
    "acc": Metric(
        "average accuracy",
        "average_accuracy",
        "higher",
        FRACTION,
        "How good the learner is at the end; 1 is perfect. Forgotten and never learned look the same here.",
        {
            "gem": Dialect(
                "acc",
                "(1/T) Σⱼ R[T, j]",
                ("GEM", "Mammoth", "FACIL", "Chaudhry"),
                lambda given: _matrix.average_accuracy(given.accuracy),
                _cells.final,
            ),
            "samples": Dialect(
                "acc_samples",
                "Σⱼ nⱼ R[T, j] / Σⱼ nⱼ, nⱼ test examples of task j",
                ("Avalanche",),
                lambda given: _matrix.sample_weighted_accuracy(given.accuracy, _known(given.weights)),
                _cells.counted,
                "weights",
            ),
            "diaz": Dialect(
                "acc_diaz",
                "Σᵢ≥ⱼ R[i, j] / (T (T + 1) / 2)",
                ("Diaz",),
                lambda given: _matrix.diaz_accuracy(given.accuracy),
                _cells.since_learned,
            ),
        },
    ),
    "bwt": Metric(
        "backward transfer",
        "backward_transfer",
        "higher",
        DIFFERENCE,
        "Below zero: earlier tasks were forgotten. Zero: untouched. Above zero: later tasks helped them.",
        {
            "gem": Dialect(
                "bwt",
                "(1/(T−1)) Σⱼ<T (R[T, j] − R[j, j])",
                ("GEM", "Mammoth", "Avalanche"),
                lambda given: _transfer.backward_transfer(given.accuracy),
                _cells.backward_gem,
            ),
            "diaz": Dialect(
                "bwt_diaz",
                "Σᵢ≥₂ Σⱼ<ᵢ (R[i, j] − R[j, j]) / (T (T−1) / 2)",
                ("Diaz",),
                lambda given: _transfer.backward_transfer(given.accuracy, dialect="diaz"),
                _cells.backward_diaz,
            ),
        },
    ),
    "fwt": Metric(
        "forward transfer",
        "forward_transfer",
        "higher",
        DIFFERENCE,
        "gem: above zero, a task is known better before it is learned than by an untrained network. diaz: nothing is "
        "taken off, so chance is not zero.",
        {
            "gem": Dialect(
                "fwt",
                "(1/(T−1)) Σⱼ≥₂ (R[j−1, j] − b[j])",
                ("GEM", "Mammoth", "Avalanche"),
                lambda given: _transfer.forward_transfer(given.accuracy),
                _cells.forward_gem,
            ),
            "diaz": Dialect(
                "fwt_diaz",
                "Σᵢ<ⱼ R[i, j] / (T (T−1) / 2)",
                ("Diaz",),
                lambda given: _transfer.forward_transfer(given.accuracy, dialect="diaz"),
                _cells.forward_diaz,
            ),
        },
    ),
    "forgetting": Metric(
        "forgetting",
        "forgetting",
        "lower",
        DIFFERENCE,
        "Above zero: accuracy was lost. Below zero: tasks were best at the end (mammoth then says zero).",
        {
            "chaudhry": Dialect(
                "forgetting",
                "(1/(T−1)) Σⱼ<T (max over j≤l<T of R[l, j] − R[T, j])",
                ("Chaudhry", "FACIL"),
                lambda given: _transfer.forgetting(given.accuracy),
                _cells.backward_diaz,
            ),
            "mammoth": Dialect(
                "forgetting_mammoth",
                "(1/(T−1)) Σⱼ<T (max over j≤l≤T of R[l, j] − R[T, j])",
                ("Mammoth", "PyCIL"),
                lambda given: _transfer.forgetting(given.accuracy, dialect="mammoth"),
                _cells.backward_diaz,
            ),
            "avalanche": Dialect(
                "forgetting_avalanche",
                "(1/(T−1)) Σⱼ<T (R[j, j] − R[T, j])",
                ("Avalanche",),
                lambda given: _transfer.forgetting(given.accuracy, dialect="avalanche"),
                _cells.backward_gem,
            ),
        },
    ),
    "learning_acc": Metric(
        "learning accuracy",
        "learning_accuracy",
        "higher",
        FRACTION,
        "How well each task was learned when it came; ACC = this + BWT (gem) · (T−1)/T.",
        {
            "riemer": Dialect(
                "learning_acc",
                "(1/T) Σⱼ R[j, j]",
                (),
                lambda given: _matrix.learning_accuracy(given.accuracy),
                _cells.learned,
            )
        },
    ),
    "incremental_acc": Metric(
        "average incremental accuracy",
        "average_incremental_accuracy",
        "higher",
        FRACTION,
        "The mean height of the average-so-far curve; early tasks weigh more, for they are counted more often.",
        {
            "icarl": Dialect(
                "incremental_acc",
                "(1/T) Σₖ (1/k) Σⱼ≤ₖ R[k, j]",
                ("PyCIL",),
                lambda given: _matrix.average_incremental_accuracy(given.accuracy),
                _cells.since_learned,
            )
        },
    ),
    "bwt_plus": Metric(
        "positive backward transfer",
        "positive_backward_transfer",
        "higher",
        DIFFERENCE,
        "Zero where earlier tasks were forgotten on the whole; above zero later tasks helped them.",
        {
            "diaz": Dialect(
                "bwt_plus",
                "max(BWT (diaz), 0)",
                ("Diaz",),
                lambda given: _transfer.positive_backward_transfer(given.accuracy),
                _cells.backward_diaz,
            )
        },
    ),
    "rem": Metric(
        "remembering",
        "remembering",
        "higher",
        FRACTION,
        "1: nothing was forgotten on the whole. 0.9: a tenth of the examples was lost.",
        {
            "diaz": Dialect(
                "rem",
                "1 − |min(BWT (diaz), 0)|",
                ("Diaz",),
                lambda given: _transfer.remembering(given.accuracy),
                _cells.backward_diaz,
            )
        },
    ),
    "plasticity_gain": Metric(
        "plasticity gain",
        "plasticity_gain",
        "higher",
        DIFFERENCE,
        "Above zero: a task is learned better after the others than alone. Below zero: the sequence is in the way.",
        {
            "single": Dialect(
                "plasticity_gain",
                "(1/(T−1)) Σⱼ≥₂ (R[j, j] − s[j]), s: each task alone",
                (),
                lambda given: _references.plasticity_gain(given.accuracy, _known(given.single)),
                lambda given: _cells.learned(given) & _cells.later(given),
                "single",
            )
        },
    ),
    "intransigence": Metric(
        "intransigence",
        "intransigence",
        "lower",
        DIFFERENCE,
        "Above zero: what joint training learns could not be learned any more. Below zero: the sequence helped.",
        {
            "chaudhry": Dialect(
                "intransigence",
                "(1/T) Σₖ (s[k] − R[k, k]), s[k]: joint training on tasks 1..k",
                ("Chaudhry",),
                lambda given: _references.intransigence(given.accuracy, _known(given.joint)),
                _cells.learned,
                "joint",
            )
        },
    ),
    "aaa": Metric(
        "average any-time accuracy",
        "average_anytime_accuracy",
        "higher",
        FRACTION,
        "The accuracy on tasks seen so far, averaged over all moments: 1 is perfect at any time, not only at the end.",
        _anytime_dialects(
            "aaa", "mean over t of meanⱼ≤ₖ₍ₜ₎ A(j, t)", _anytime.average_anytime_accuracy, _cells.since_learned
        ),
    ),
    "min_acc": Metric(
        "minimum accuracy",
        "minimum_accuracy",
        "higher",
        FRACTION,
        "The worst moment of each earlier task. Far below the accuracy at the end: a stability gap.",
        _anytime_dialects(
            "min_acc", "(1/(T−1)) Σⱼ<T min over t after j of A(j, t)", _anytime.minimum_accuracy, _cells.after_learned
        ),
    ),
    "wc_acc": Metric(
        "worst-case accuracy",
        "worst_case_accuracy",
        "higher",
        FRACTION,
        "The last task now, the others at their worst: what one may rely on at any time.",
        _anytime_dialects(
            "wc_acc", "(1/T) A(T, end) + (1 − 1/T) min-ACC", _anytime.worst_case_accuracy, _cells.worst_case
        ),
    ),
}

KEYS: dict[str, tuple[str, str]] = {
    dialect.key: (name, dialect_name)
    for name, metric in METRICS.items()
    for dialect_name, dialect in metric.dialects.items()
}
NAMES: dict[str, str] = {
    **{key: name for key, (name, _) in KEYS.items()},
    **{metric.function: name for name, metric in METRICS.items()},
}


def available(dialect: Dialect, given: Inputs) -> bool:
    """Whether what the dialect needs was given."""
    have = {"single": given.single, "joint": given.joint, "weights": given.weights, "anytime": given.anytime}
    return dialect.needs is None or have[dialect.needs] is not None
