"""Metrics: matrices worked by hand, every dialect derived again with naive loops, theorems for any matrix."""

import warnings
from collections.abc import Callable
from html.parser import HTMLParser
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from cltoolkit import metrics
from cltoolkit.metrics._dialects import KEYS, METRICS
from cltoolkit.metrics._inputs import Inputs, gather

# Three tasks. Rows: before training, after task 1, 2, 3.
R = np.array(
    [
        [0.10, 0.20, 0.30],
        [0.90, 0.40, 0.30],
        [0.60, 0.80, 0.50],
        [0.70, 0.75, 1.00],
    ]
)

fractions = st.floats(0, 1, width=32).map(float)
matrices = st.integers(1, 6).flatmap(lambda T: arrays(np.float64, (T + 1, T), elements=fractions))
several = st.integers(2, 6).flatmap(lambda T: arrays(np.float64, (T + 1, T), elements=fractions))


def close(a: float, b: float) -> bool:
    return a == pytest.approx(b, abs=1e-12, nan_ok=True)


# By hand.


def test_averages_by_hand() -> None:
    assert close(metrics.average_accuracy(R), 2.45 / 3)  # 0.70 + 0.75 + 1.00
    assert close(metrics.sample_weighted_accuracy(R, [10, 20, 70]), 0.92)  # 0.07 + 0.15 + 0.70
    np.testing.assert_allclose(metrics.average_so_far(R), [0.9, 0.7, 2.45 / 3])  # 0.9; (0.6 + 0.8) / 2; 2.45 / 3
    assert close(metrics.average_incremental_accuracy(R), (0.9 + 0.7 + 2.45 / 3) / 3)
    assert close(metrics.diaz_accuracy(R), (0.9 + 0.6 + 0.8 + 0.7 + 0.75 + 1.0) / 6)
    assert close(metrics.learning_accuracy(R), 2.7 / 3)  # 0.9 + 0.8 + 1.0


def test_backward_transfer_by_hand() -> None:
    assert close(metrics.backward_transfer(R), -0.125)  # (0.70 − 0.90 + 0.75 − 0.80) / 2
    assert close(
        metrics.backward_transfer(R, dialect="diaz"), -0.55 / 3
    )  # −0.3 after task 2; −0.2 and −0.05 after task 3
    assert close(metrics.positive_backward_transfer(R), 0.0)
    assert close(metrics.remembering(R), 1 - 0.55 / 3)


def test_forward_transfer_by_hand() -> None:
    assert close(metrics.forward_transfer(R), 0.2)  # (0.40 − 0.20 + 0.50 − 0.30) / 2
    assert close(metrics.forward_transfer(R, dialect="diaz"), 0.4)  # (0.40 + 0.30 + 0.50) / 3
    assert close(
        metrics.plasticity_gain(R, [0.5, 0.9, 0.8]), 0.05
    )  # (0.8 − 0.9 + 1.0 − 0.8) / 2; task 1 does not count


def test_forgetting_by_hand() -> None:
    improved = R.copy()
    improved[3, 1] = 0.9  # task 2 ends better than it ever was
    assert close(metrics.forgetting(improved), 0.05)  # (0.9 − 0.7 + 0.8 − 0.9) / 2
    assert close(metrics.forgetting(improved, dialect="mammoth"), 0.1)  # (0.9 − 0.7 + 0) / 2
    assert close(metrics.forgetting(improved, dialect="avalanche"), 0.05)
    late = R.copy()
    late[2, 0] = 0.95  # task 1 is at its best after task 2
    assert close(metrics.forgetting(late), 0.15)  # (0.95 − 0.70 + 0.80 − 0.75) / 2
    assert close(metrics.forgetting(late, dialect="avalanche"), 0.125)
    assert close(metrics.intransigence(R, [0.9, 0.9, 0.9]), 0.0)  # (0 + 0.1 − 0.1) / 3


def test_any_time_metrics_by_hand() -> None:
    A = [[0.8, 0.1, 0.0], [0.9, 0.1, 0.0], [0.3, 0.5, 0.0], [0.6, 0.8, 0.0], [0.5, 0.7, 0.6], [0.7, 0.6, 0.9]]
    task = [0, 0, 1, 1, 2, 2]
    assert close(metrics.average_anytime_accuracy(A, task), (0.8 + 0.9 + 0.4 + 0.7 + 0.6 + 2.2 / 3) / 6)
    assert close(metrics.minimum_accuracy(A, task), (0.3 + 0.6) / 2)  # task 1 falls to 0.3, task 2 to 0.6
    assert close(metrics.worst_case_accuracy(A, task), 0.9 / 3 + 2 / 3 * 0.45)
    assert np.isnan(metrics.minimum_accuracy(A[:2], task[:2]))
    assert close(metrics.worst_case_accuracy(A[:2], task[:2]), 0.9)


def test_learning_curve_area_by_hand() -> None:
    a = [[0.0, 0.4, 0.8], [0.2, 0.6, 1.0]]  # Z = 0.1, 0.5, 0.9
    assert close(metrics.learning_curve_area(a), 0.5)
    assert close(metrics.learning_curve_area(a, beta=1), 0.3)
    assert close(metrics.learning_curve_area(a, beta=0), 0.1)
    with pytest.raises(ValueError, match="from 0 to 2"):
        metrics.learning_curve_area(a, beta=3)
    with pytest.raises(ValueError, match=r"shape \(T, B \+ 1\)"):
        metrics.learning_curve_area([0.1, 0.2])


def test_task_identification() -> None:
    confusion = metrics.task_confusion([0, 0, 0, 1, 2, 2], [0, 0, 1, 1, 2, 0], num_tasks=3)
    np.testing.assert_array_equal(confusion, [[2, 1, 0], [0, 1, 0], [1, 0, 1]])
    assert close(metrics.task_id_accuracy(confusion), 4 / 6)
    assert np.isnan(metrics.task_id_accuracy(np.zeros((2, 2))))
    with pytest.raises(ValueError, match="from 0 to 1"):
        metrics.task_confusion([0, 2], [0, 1], num_tasks=2)
    with pytest.raises(ValueError, match="of one length; got 2 and 1"):
        metrics.task_confusion([0, 1], [0], num_tasks=2)
    with pytest.raises(ValueError, match=r"shape \(T, T\)"):
        metrics.task_id_accuracy([[1, 2]])


@pytest.mark.parametrize(
    ("final", "during", "average", "transfer"),
    [
        ([81.55, 72.6, 65.8, 70.0, 67.3, 69.0], [82.91, 73.4, 68.7, 71.9, 67.6, 69.0], 71.04, -1.45),
        ([81.28, 62.9, 60.3, 67.9, 66.4, 71.0], [82.4, 61.6, 62.5, 69.6, 66.9, 71.0], 68.30, -0.84),
    ],
)
def test_published_logs(final: list[float], during: list[float], average: float, transfer: float) -> None:
    """Six tasks of CIFAR-10/100 with a hypernetwork: what is unknown (all but two diagonals) is not needed."""
    accuracy = np.full((7, 6), np.nan)
    np.fill_diagonal(accuracy[1:], during)
    accuracy[6] = final
    assert round(metrics.average_accuracy(accuracy), 2) == pytest.approx(average)
    assert round(metrics.backward_transfer(accuracy), 2) == pytest.approx(transfer)
    assert round(metrics.forgetting(accuracy, dialect="avalanche"), 2) == pytest.approx(-transfer)


# Derived again: the definitions as loops over i, j = 1..T, and as the other tools compute them.


def cell(accuracy: np.ndarray) -> Callable[[int, int], float]:
    return lambda i, j: float(accuracy[i, j - 1])


def naive(accuracy: np.ndarray, weights: np.ndarray, single: np.ndarray, joint: np.ndarray) -> dict[str, float]:
    a, T = cell(accuracy), accuracy.shape[1]
    tasks, pairs = range(1, T + 1), T * (T - 1) / 2
    back = sum(a(i, j) - a(j, j) for i in tasks for j in range(1, i)) / pairs
    lowest = [min(a(i, j) for i in range(j + 1, T + 1)) for j in range(1, T)]
    return {
        "acc": sum(a(T, j) for j in tasks) / T,
        "acc_samples": sum(a(T, j) * weights[j - 1] for j in tasks) / sum(weights),
        "acc_diaz": sum(a(i, j) for i in tasks for j in range(1, i + 1)) / (T * (T + 1) / 2),
        "incremental_acc": sum(sum(a(k, j) for j in range(1, k + 1)) / k for k in tasks) / T,
        "learning_acc": sum(a(j, j) for j in tasks) / T,
        "bwt": sum(a(T, j) - a(j, j) for j in range(1, T)) / (T - 1),
        "bwt_diaz": back,
        "bwt_plus": max(back, 0),
        "rem": 1 - abs(min(back, 0)),
        "fwt": sum(a(j - 1, j) - a(0, j) for j in range(2, T + 1)) / (T - 1),
        "fwt_diaz": sum(a(i, j) for i in tasks for j in range(i + 1, T + 1)) / pairs,
        "plasticity_gain": sum(a(j, j) - single[j - 1] for j in range(2, T + 1)) / (T - 1),
        "intransigence": sum(joint[k - 1] - a(k, k) for k in tasks) / T,
        "forgetting": sum(max(a(i, j) for i in range(j, T)) - a(T, j) for j in range(1, T)) / (T - 1),
        "forgetting_mammoth": sum(max(a(i, j) for i in range(j, T + 1)) - a(T, j) for j in range(1, T)) / (T - 1),
        "forgetting_avalanche": sum(a(j, j) - a(T, j) for j in range(1, T)) / (T - 1),
        "aaa_tasks": sum(sum(a(k, j) for j in range(1, k + 1)) / k for k in tasks) / T,
        "min_acc_tasks": sum(lowest) / (T - 1),
        "wc_acc_tasks": a(T, T) / T + (1 - 1 / T) * sum(lowest) / (T - 1),
    }


@pytest.mark.parametrize("seed", range(200))
def test_every_dialect_is_its_definition(seed: int) -> None:
    draw = np.random.default_rng(seed)
    T = int(draw.integers(2, 9))
    accuracy, single, joint, weights = draw.random((T + 1, T)), draw.random(T), draw.random(T), draw.integers(1, 99, T)
    expected = naive(accuracy, weights, single, joint)
    found = metrics.table(accuracy, single=single, joint=joint, weights=weights)
    assert found.keys() == expected.keys()
    assert all(close(found[key], expected[key]) for key in expected)


@pytest.mark.parametrize("seed", range(200))
def test_peers_as_they_compute(seed: int) -> None:
    """Mammoth and PyCIL put zero where nothing was measured and take maxima over all rows, FACIL over all but one."""
    draw = np.random.default_rng(seed)
    T = int(draw.integers(2, 9))
    accuracy = draw.random((T + 1, T))
    seen = np.tril(accuracy[1:])  # zeros for tasks not seen
    rows = metrics.compare_dialects(accuracy, weights=np.ones(T))
    assert close(rows["Mammoth"]["forgetting"], float(np.mean((seen.max(0) - seen[-1])[:-1])))
    assert close(rows["PyCIL"]["forgetting"], float(np.mean((seen.T.max(1) - seen.T[:, T - 1])[: T - 1])))
    assert close(
        rows["FACIL"]["forgetting"], float(np.mean([seen[: T - 1, u].max() - seen[T - 1, u] for u in range(T - 1)]))
    )
    first = {j: seen[j, j] for j in range(T)}
    assert close(rows["Avalanche"]["forgetting"], float(np.mean([first[j] - seen[-1, j] for j in range(T - 1)])))
    assert close(rows["Avalanche"]["bwt"], -rows["Avalanche"]["forgetting"])
    assert close(rows["Mammoth"]["bwt"], rows["GEM"]["bwt"])


# Theorems.


@given(several)
def test_forgetting_dialects_are_ordered(accuracy: np.ndarray) -> None:
    values = {d: metrics.forgetting(accuracy, dialect=d) for d in ("mammoth", "chaudhry", "avalanche")}
    assert values["mammoth"] >= 0
    assert values["mammoth"] >= values["chaudhry"] - 1e-12
    assert values["chaudhry"] >= values["avalanche"] - 1e-12
    assert close(values["avalanche"], -metrics.backward_transfer(accuracy))


@given(several)
def test_average_is_learning_plus_backward_transfer(accuracy: np.ndarray) -> None:
    T = accuracy.shape[1]
    rebuilt = metrics.learning_accuracy(accuracy) + metrics.backward_transfer(accuracy) * (T - 1) / T
    assert close(metrics.average_accuracy(accuracy), rebuilt)


@given(several)
def test_diaz_transfer_is_split_by_sign(accuracy: np.ndarray) -> None:
    transfer = metrics.backward_transfer(accuracy, dialect="diaz")
    assert close(metrics.positive_backward_transfer(accuracy) - (1 - metrics.remembering(accuracy)), transfer)


@given(matrices)
def test_averages_agree_where_they_must(accuracy: np.ndarray) -> None:
    T = accuracy.shape[1]
    assert close(metrics.sample_weighted_accuracy(accuracy, np.full(T, 7)), metrics.average_accuracy(accuracy))
    assert close(metrics.average_so_far(accuracy)[-1], metrics.average_accuracy(accuracy))
    assert close(
        metrics.average_anytime_accuracy(accuracy[1:], np.arange(T)), metrics.average_incremental_accuracy(accuracy)
    )
    assert metrics.worst_case_accuracy(accuracy[1:], np.arange(T)) <= metrics.average_accuracy(accuracy) + 1e-12


@given(st.integers(2, 7), fractions)
def test_nothing_happens_in_a_constant_matrix(T: int, level: float) -> None:
    values = metrics.table(np.full((T + 1, T), level), single=np.full(T, level), joint=np.full(T, level))
    still = {
        key for key in values if key.split("_")[0] in ("bwt", "fwt", "forgetting", "plasticity", "intransigence")
    } - {"fwt_diaz"}
    assert all(values[key] == pytest.approx(0, abs=1e-12) for key in still)
    assert values["rem"] == pytest.approx(1)
    assert all(value == pytest.approx(level) for key, value in values.items() if key not in still | {"rem"})


@given(several, st.floats(-0.5, 0.5), st.floats(0.1, 2))
def test_differences_ignore_the_zero_of_the_scale(accuracy: np.ndarray, shift: float, scale: float) -> None:
    """Any score of which more is better will do: transfer and forgetting do not see a shift, and scale with it."""
    before, after = metrics.table(accuracy), metrics.table(shift + scale * accuracy)
    for key in ("bwt", "bwt_diaz", "fwt", "forgetting", "forgetting_mammoth", "forgetting_avalanche"):
        assert after[key] == pytest.approx(scale * before[key], abs=1e-9)
    for key in ("acc", "acc_diaz", "learning_acc", "incremental_acc", "fwt_diaz", "min_acc_tasks", "wc_acc_tasks"):
        assert after[key] == pytest.approx(shift + scale * before[key], abs=1e-9)


@given(several, st.integers(0, 99))
def test_averages_at_the_end_do_not_know_the_order_of_tasks(accuracy: np.ndarray, seed: int) -> None:
    T = accuracy.shape[1]
    order, n = np.random.default_rng(seed).permutation(T), np.arange(1, T + 1)
    assert close(metrics.average_accuracy(accuracy[:, order]), metrics.average_accuracy(accuracy))
    weighted = metrics.sample_weighted_accuracy(accuracy, n)
    assert close(metrics.sample_weighted_accuracy(accuracy[:, order], n[order]), weighted)


@given(st.integers(1, 5).flatmap(lambda T: arrays(np.int64, (T, T), elements=st.integers(0, 9))))
def test_task_id_accuracy_is_the_mean_of_hits(counts: np.ndarray) -> None:
    true, inferred = (np.repeat(index.ravel(), counts.ravel()) for index in np.indices(counts.shape))
    np.testing.assert_array_equal(metrics.task_confusion(true, inferred, len(counts)), counts)
    if len(true):
        assert close(metrics.task_id_accuracy(counts), float((true == inferred).mean()))


# The cells that explain lights up are those the value depends on: all of them, and no other.


@settings(deadline=None, max_examples=25)
@pytest.mark.parametrize(
    "key", [key for key in KEYS if METRICS[KEYS[key][0]].dialects[KEYS[key][1]].needs != "anytime"]
)
@given(matrices)
def test_masks_are_true(key: str, accuracy: np.ndarray) -> None:
    name, dialect_name = KEYS[key]
    dialect, T = METRICS[name].dialects[dialect_name], accuracy.shape[1]
    reference = np.linspace(0.2, 0.9, T)
    weights = np.arange(T) + (T == 1)  # the first task counts for nothing, unless it is the only one
    references = {"single": reference, "joint": reference, "weights": weights}

    def value(values: np.ndarray) -> float:
        return dialect.value(gather(values, **references))

    original, mask = value(accuracy), dialect.cells(gather(accuracy, **references))
    assert mask.shape == accuracy.shape
    assert mask.dtype == bool
    assert mask.any() != np.isnan(original)
    for i, j in np.ndindex(accuracy.shape):
        moved = [
            accuracy + step * ((np.indices(accuracy.shape)[0] == i) & (np.indices(accuracy.shape)[1] == j))
            for step in (99, -99)
        ]
        if mask[i, j]:
            assert any(value(other) != original for other in moved)
            unknown = np.where(moved[0] > 50, np.nan, accuracy)
            assert np.isnan(value(unknown))
        else:
            assert all(value(other) == original or np.isnan(original) for other in moved)


@given(several)
def test_slopes_are_the_weights_of_a_mean(accuracy: np.ndarray) -> None:
    for name in ("acc", "bwt", "fwt", "learning_acc", "incremental_acc"):
        found = metrics.explain(name, accuracy)
        for dialect, slope in found.slope.items():
            assert float((slope * accuracy).sum()) == pytest.approx(found.value[dialect], abs=1e-6)
            np.testing.assert_array_equal(slope[~found.cells[dialect]], 0)


# At the door.


def test_one_task_has_no_transfer_and_no_warning() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        values = metrics.table([[0.5], [0.9]], single=[0.8], joint=[1.0])
        undefined = {key for key, value in values.items() if np.isnan(value)}
        repr(metrics.explain("bwt", [[0.5], [0.9]]))
    assert undefined == {
        *("bwt", "bwt_diaz", "bwt_plus", "rem", "fwt", "fwt_diaz", "plasticity_gain"),
        *("forgetting", "forgetting_mammoth", "forgetting_avalanche", "min_acc_tasks"),
    }
    assert values["acc"] == values["wc_acc_tasks"] == 0.9


def test_unknown_cells_spoil_only_what_uses_them() -> None:
    no_baseline = R.copy()
    no_baseline[0] = np.nan
    values = metrics.table(no_baseline)
    assert {key for key, value in values.items() if np.isnan(value)} == {"fwt"}
    no_future = np.where(np.tri(4, 3, -1, dtype=bool), R, np.nan)
    values = metrics.table(no_future)
    assert {key for key, value in values.items() if np.isnan(value)} == {"fwt", "fwt_diaz"}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        nothing = metrics.table(np.full((4, 3), np.nan))
        assert all(np.isnan(value) for value in nothing.values())
        assert "unknown" in metrics.explain("bwt", np.full((4, 3), np.nan)).warning


def test_first_tasks_of_an_unfinished_run() -> None:
    partial = R.copy()
    partial[3] = np.nan
    assert np.isnan(metrics.average_accuracy(partial))
    assert close(metrics.average_accuracy(partial[:3, :2]), 0.7)
    np.testing.assert_allclose(metrics.average_so_far(partial), [0.9, 0.7, np.nan])


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (R[1:], r"got \(3, 3\): row 0 is missing.*np.vstack"),
        (R.T, r"got \(3, 4\): tasks are columns, so transpose"),
        (R[0], r"got shape \(3,\)"),
        (np.zeros((1, 0)), r"got shape \(1, 0\)"),
        ([[0.5], [0.5, 0.5]], "must be numbers"),
        ("bwt", "must be numbers"),
        (None, r"got shape \(\)"),
        (np.where(R > 0.9, np.inf, R), "must be finite"),
    ],
)
def test_wrong_matrices_teach(wrong: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        metrics.table(wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: metrics.backward_transfer(R, dialect="dias"), "did you mean 'diaz'"),  # type: ignore[arg-type]
        (lambda: metrics.forgetting(R, dialect="max"), "there are chaudhry, mammoth, avalanche"),  # type: ignore[arg-type]
        (lambda: metrics.sample_weighted_accuracy(R, [1, 2]), r"shape \(3,\); got \(2,\)"),
        (lambda: metrics.sample_weighted_accuracy(R, [1, -2, 1]), "not negative"),
        (lambda: metrics.sample_weighted_accuracy(R, [0, 0, 0]), "not all zero"),
        (lambda: metrics.plasticity_gain(R, [0.5]), "`single` must hold one accuracy per task"),
        (lambda: metrics.table(R, joint=R[:2]), "`joint` must hold"),
        (lambda: metrics.minimum_accuracy(R, [0, 1, 2]), r"got \(4, 3\) and \(3,\)"),
        (lambda: metrics.minimum_accuracy(R, [0, 1, 0, 2]), "never decrease"),
        (lambda: metrics.minimum_accuracy(R, [0, 1, 2, 3]), "from 0 to 2"),
        (lambda: metrics.explain("bwd", R), "did you mean 'bwt'"),
        (lambda: metrics.explain("forgeting", R), "did you mean 'forgetting'"),
        (lambda: metrics.explain("backward_transfr", R), "did you mean 'backward_transfer'"),
        (lambda: metrics.explain("lca", R), "learning_curve_area"),
        (lambda: metrics.explain("intransigence", R), "give `joint=`"),
        (lambda: metrics.label("acc_dias"), "did you mean 'acc_diaz'"),
    ],
)
def test_wrong_calls_teach(call: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


def test_inputs_are_left_alone() -> None:
    given_in = R.copy()
    metrics.table(given_in, single=R, joint=R)
    metrics.explain("forgetting", given_in)
    np.testing.assert_array_equal(given_in, R)


# Runs.


def a_run(**changes: object) -> SimpleNamespace:
    tasks = [{"name": name, "test": n} for name, n in (("cats", 10), ("dogs", 20), ("<b>owls</b>", 70))]
    fields = {
        "accuracy": R,
        "anytime": {
            "task": np.array([0, 1, 1, 2]),
            "step": np.array([9, 0, 9, 9]),
            "accuracy": np.array([R[1], [0.1, 0.5, 0.5], R[2], R[3]]),
        },
        "config": {"sequence": {"scenario": "domain", "tasks": tasks}},
    }
    return SimpleNamespace(**(fields | changes))


def test_a_run_brings_its_weights_and_its_evaluations() -> None:
    values = metrics.table(a_run())
    assert close(values["acc_samples"], 0.92)
    assert close(values["min_acc"], (0.1 + 0.75) / 2)
    assert close(values["min_acc_tasks"], (0.6 + 0.75) / 2)
    assert close(values["aaa"], (0.9 + 0.3 + 0.7 + 2.45 / 3) / 4)
    bare = metrics.table(SimpleNamespace(accuracy=R))
    assert {key: values[key] for key in bare} == bare
    assert values.keys() - bare.keys() == {"acc_samples", "aaa", "min_acc", "wc_acc"}


def test_a_reference_run_stands_for_its_accuracies_after_learning() -> None:
    alone = a_run(accuracy=R + 0.1)
    assert close(metrics.plasticity_gain(R, alone), -0.1)
    assert close(metrics.intransigence(R, alone), 0.1)
    assert close(metrics.intransigence(R, R + 0.1), 0.1)
    assert close(metrics.table(a_run(), single=alone)["plasticity_gain"], -0.1)


def test_default_dialects_come_first_and_have_plain_names() -> None:
    names = list(metrics.table(R, single=R, joint=R))
    assert names[:4] == ["acc", "bwt", "fwt", "forgetting"]
    assert names == sorted(names, key=lambda name: name not in METRICS)
    assert all(metrics.label(name).endswith(")") for name in names)
    assert {name for name in names if metrics.direction(name) == "lower"} == {
        *("forgetting", "forgetting_mammoth", "forgetting_avalanche", "intransigence"),
    }


# Explanations.


def test_explanation_by_any_of_its_names() -> None:
    for name in ("bwt", "bwt_diaz", "backward_transfer"):
        found = metrics.explain(name, R)
        assert found.name == "bwt"
        assert found.value == {
            "gem": metrics.backward_transfer(R),
            "diaz": metrics.backward_transfer(R, dialect="diaz"),
        }
        np.testing.assert_array_equal(np.argwhere(found.cells["gem"]), [[1, 0], [2, 1], [3, 0], [3, 1]])
        assert found.warning == ""


def test_every_metric_can_be_explained() -> None:
    for key in metrics.table(a_run(), single=R, joint=R):
        found = metrics.explain(key, a_run(), single=R, joint=R)
        assert found.title in repr(found)
        assert found.value.keys() == found.cells.keys() == found.formula.keys() == found.slope.keys()


def test_forward_transfer_of_untrained_outputs_is_doubted() -> None:
    chance = R.copy()
    chance[:2] = chance[0]
    chance[2, 2] = 0.35
    assert "chance, not transfer" in metrics.explain("fwt", chance).warning
    assert metrics.explain("fwt", R).warning == ""
    assert metrics.explain("fwt", a_run()).warning == ""
    several_heads = a_run(config={"sequence": {"scenario": "task", "tasks": []}})
    assert "task-incremental" in metrics.explain("fwt", several_heads).warning
    assert metrics.explain("bwt", several_heads).warning == ""


def test_percent_and_unknown_cells_are_noticed() -> None:
    assert "percent" in metrics.explain("acc", 100 * R).warning
    unknown = R.copy()
    unknown[3, 0] = np.nan
    assert "1 of the 5 cells used" in metrics.explain("forgetting", unknown).warning
    assert "unknown" in repr(metrics.explain("forgetting", unknown))
    assert "undefined for a single task" in metrics.explain("bwt", [[0.5], [0.9]]).warning


def test_text_marks_the_cells_used() -> None:
    shown = repr(metrics.explain("learning_acc", a_run()))
    assert [line.count("[") for line in shown.splitlines() if line.lstrip().startswith(("before", "after"))] == [
        0,
        1,
        1,
        1,
    ]
    assert "after cats" in shown
    assert "the same cells as chaudhry" in repr(metrics.explain("forgetting", R))
    assert "evaluations during training" in repr(metrics.explain("min_acc", a_run()))
    wide = metrics.explain("acc", np.full((101, 100), 0.5))
    assert "100 of 10100 cells" in repr(wide)
    assert "plots.accuracy_matrix" in wide._repr_html_()
    assert len(wide._repr_html_()) < 4000


class Cells(HTMLParser):
    """Counts lit cells and lists every tag, to see that names are text and not markup."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.lit, self.tags, self.words = 0, set[str](), ""
        self.feed(source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.lit += tag == "td" and "title" in dict(attrs)

    def handle_data(self, data: str) -> None:
        self.words += data


def test_html_lights_up_the_cells_used_and_escapes_names() -> None:
    tasks = [{"name": name} for name in ("<script>alert(1)</script>", "&", '"')]
    found = metrics.explain("learning_acc", a_run(config={"sequence": {"tasks": tasks}}))
    page = Cells(found._repr_html_())
    assert page.lit == int(found.cells["riemer"].sum()) == 3
    assert page.tags <= {"div", "p", "b", "br", "table", "tr", "td", "th"}
    assert "<script" in page.words
    assert "http" not in found._repr_html_()


def test_inputs_know_the_number_of_tasks() -> None:
    assert Inputs(R).T == 3


# Pairs.


def test_a_paired_difference_is_students_interval() -> None:
    from scipy import stats

    a, b = np.array([0.9, 0.8, 0.95, 0.85]), np.array([0.88, 0.81, 0.9, 0.8])
    found = metrics.paired_difference(a, b)
    test = stats.ttest_rel(a, b)
    np.testing.assert_allclose((found.low, found.high), test.confidence_interval(0.95))
    assert found.clear == (test.pvalue < 0.05)
    assert found.clear != metrics.paired_difference(a, b, level=0.2).clear


def test_what_a_seed_does_to_both_cancels() -> None:
    noise = np.random.default_rng(0).normal(size=6)
    found = metrics.paired_difference(0.01 + noise, noise)
    assert close(found.mean, 0.01)
    assert found.high - found.low < 1e-12


def test_runs_are_paired_by_their_seeds() -> None:
    def runs(*seeds: int) -> list[SimpleNamespace]:
        return [SimpleNamespace(accuracy=R, config={"seed": seed}) for seed in seeds]

    assert str(metrics.paired_difference(runs(0, 1), runs(0, 1), measure="bwt")).startswith("+0.0000")
    with pytest.raises(ValueError, match=r"same seeds in the same order; got \[0, 1\] against \[1, 0\]"):
        metrics.paired_difference(runs(0, 1), runs(1, 0))
    with pytest.raises(ValueError, match="expected pairs; got 2 runs against 1"):
        metrics.paired_difference(runs(0, 1), runs(0))
    with pytest.raises(ValueError, match="expected a measure among acc, "):
        metrics.paired_difference(runs(0, 1), runs(0, 1), measure="accurate")


def test_one_pair_has_a_difference_and_no_interval() -> None:
    found = metrics.paired_difference([0.5], [0.25])
    assert (found.mean, found.clear) == (0.25, False)
    assert np.isnan(found.low)
