"""Orders: values as counted by hand, all of them or different ones, and runs that go on where they were stopped."""

import math
import time
from itertools import pairwise, permutations

import numpy as np
import pytest
import tiny
from scipy import stats

import cltoolkit as cl
from cltoolkit.orders import OrderRuns, predict_orders, run_orders
from cltoolkit.orders import _run as module
from cltoolkit.records import Run
from cltoolkit.transferability import TransferMatrix


def matrix(count=4, seed=0, values=None):
    names = tuple(f"t{t}" for t in range(count))
    drawn = np.random.default_rng(seed).normal(size=(count, count)) if values is None else values
    return TransferMatrix(drawn, "fine_tune_gain", names, names)


RULES = {"best": max, "mean": lambda offers: sum(offers) / len(offers), "last": lambda offers: offers[-1]}


@pytest.mark.parametrize("rule", RULES)
def test_values_are_those_counted_one_by_one(rule):
    M = matrix()
    found = predict_orders(M, rule=rule)
    assert found.complete
    expected = {}
    for order in permutations(range(4)):
        offers = [RULES[rule]([M.values[s, order[i]] for s in order[:i]]) for i in range(1, 4)]
        expected[order] = sum(offers) / 3
    assert [tuple(order) for order in found.orders.tolist()] == list(expected)
    np.testing.assert_allclose(found.values, list(expected.values()))
    for order, value in expected.items():
        assert found.value_of(order) == pytest.approx(value)


def test_last_counts_neighbors_only():
    values = np.zeros((5, 5))
    values[3, 1] = 1.0
    found = predict_orders(matrix(5, values=values), rule="last")
    for order, value in zip(found.orders.tolist(), found.values, strict=True):
        assert value == (0.25 if (3, 1) in pairwise(order) else 0)


def test_best_is_at_least_the_mean_and_the_last():
    found = {rule: predict_orders(matrix(5), rule=rule).values for rule in RULES}
    assert (found["best"] >= found["mean"] - 1e-12).all()
    assert (found["best"] >= found["last"] - 1e-12).all()


def test_symmetric_transfer_makes_the_last_rule_blind_to_direction():
    values = matrix(5).values
    found = predict_orders(matrix(5, values=values + values.T), rule="last")
    for order in found.orders[:20].tolist():
        assert found.value_of(order) == pytest.approx(found.value_of(order[::-1]))


def test_renaming_tasks_renames_orders():
    turn = [2, 0, 3, 1]
    plain = predict_orders(matrix())
    turned = predict_orders(matrix(values=matrix().values[np.ix_(turn, turn)]))
    for order in turned.orders.tolist():
        assert turned.value_of(order) == pytest.approx(plain.value_of([turn[t] for t in order]))


def test_sources_may_come_in_another_order():
    M = matrix()
    rows = [2, 0, 3, 1]
    turned = TransferMatrix(M.values[rows], M.estimator, tuple(M.sources[i] for i in rows), M.targets)
    np.testing.assert_array_equal(predict_orders(turned).values, predict_orders(M).values)


def test_all_orders_of_eight_tasks_take_less_than_a_second():
    start = time.process_time()
    found = predict_orders(matrix(8))
    assert time.process_time() - start < 1.5
    assert found.orders.shape == (math.factorial(8), 8)


def test_beyond_that_different_orders_are_drawn():
    first, again, other = (predict_orders(matrix(10), samples=300, seed=seed) for seed in (0, 0, 1))
    assert not first.complete
    assert first.orders.shape == (300, 10)
    assert len(np.unique(first.orders, axis=0)) == 300
    assert (np.sort(first.orders, 1) == np.arange(10)).all()
    np.testing.assert_array_equal(first.orders, again.orders)
    assert (first.orders != other.orders).any()
    positions = first.orders.argsort(1).mean(0)  # of each task; uniform on 0..9
    assert (np.abs(positions - 4.5) < 5 * math.sqrt(99 / 12 / 300)).all()


def test_where_there_are_not_so_many_all_are_valued():
    found = predict_orders(matrix(4), max_exact=3, samples=24)
    assert found.complete
    assert len(found.orders) == 24
    assert not predict_orders(matrix(4), max_exact=3, samples=23).complete


def test_tables_begin_with_the_best_and_with_the_worst():
    found = predict_orders(matrix())
    best, worst = found.best(3), found.worst(3)
    assert list(best) == ["order", "names", "predicted"]
    np.testing.assert_array_equal(best["predicted"], np.sort(found.values)[::-1][:3])
    np.testing.assert_array_equal(worst["predicted"], np.sort(found.values)[:3])
    order = best["order"][0]
    assert best["names"][0] == " → ".join(f"t{t}" for t in order)
    assert found.value_of(order) == best["predicted"][0]
    assert len(found.to_frame()) == 24
    assert "24 all, 4 tasks, rule 'best'" in repr(found)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rule": "first"}, "rule="),
        ({"max_exact": 0}, "max_exact"),
        ({"matrix": TransferMatrix(np.ones((1, 2)), "x", ("a",), ("a", "b"))}, "all of them sources and targets"),
        ({"matrix": TransferMatrix(np.ones((1, 1)), "x", ("a",), ("a",))}, "at least two tasks"),
        ({"matrix": matrix(2, values=[[1, np.nan], [0, 1]])}, "from 't0' to 't1' is unknown"),
    ],
)
def test_what_cannot_be_valued_is_refused(change, message):
    given = {"matrix": matrix()} | change
    with pytest.raises(ValueError, match=message):
        predict_orders(given.pop("matrix"), **given)


def test_own_transfer_need_not_be_known():
    values = matrix().values.copy()
    np.fill_diagonal(values, np.nan)
    for rule in RULES:
        assert np.isfinite(predict_orders(matrix(values=values), rule=rule).values).all()


@pytest.mark.parametrize("order", [(0,), (0, 0), (0, 9), ()])
def test_value_of_what_is_no_order_is_refused(order):
    with pytest.raises(ValueError, match="different task numbers"):
        predict_orders(matrix()).value_of(order)


# Trained for real

SETTINGS = {"epochs": 1, "batch_size": 8, "device": "cpu", "progress": False}
ORDERS = [(0, 1, 2), (2, 0, 1), (1, 0)]


def run(orders=ORDERS, **changes):
    given = SETTINGS | {"seeds": (0, 1)} | changes
    make = given.pop("make", lambda: tiny.learner("Finetune"))
    return run_orders(make, given.pop("sequence", tiny.sequence(3)), orders, **given)


@pytest.fixture
def trainings(monkeypatch):
    """The calls of `train` and of `resume`."""
    calls = []
    for name, function in (("train", module.train), ("resume", module.resume)):

        def counted(*args, _name=name, _function=function, **keywords):
            calls.append(_name)
            return _function(*args, **keywords)

        monkeypatch.setattr(module, name, counted)
    return calls


def test_each_run_is_what_training_gives():
    found = run()
    assert list(found.runs) == [(order, seed) for order in ORDERS for seed in (0, 1)]
    order, seed = (2, 0, 1), 1
    expected = cl.train(tiny.learner("Finetune"), tiny.sequence(3).reorder(order), seed=seed, **SETTINGS)
    np.testing.assert_array_equal(found.runs[order, seed].accuracy, expected.accuracy)
    row = found.to_frame().iloc[3]
    assert (row["order"], row["seed"], row["names"]) == (order, seed, "t2 → t0 → t1")
    assert row["final"] == expected.accuracy[-1].mean()
    assert row["learned"] == np.diag(expected.accuracy[1:]).mean()


def test_finished_runs_are_opened(tmp_path, trainings):
    first = run(out=tmp_path)
    assert trainings == 6 * ["train"]
    assert sorted(p.name for p in tmp_path.iterdir())[0] == "order-0-1-2-seed-0"
    again = run([*ORDERS, (2, 1, 0)], out=tmp_path)
    assert trainings == 8 * ["train"]
    for key, value in first.runs.items():
        np.testing.assert_array_equal(value.accuracy, again.runs[key].accuracy)


def test_interrupted_runs_go_on(tmp_path, trainings, monkeypatch):
    whole = run()
    trainings.clear()
    real = module.train

    def interrupted(learner, sequence, **keywords):
        """Three steps into the second run, Ctrl-C."""
        if len(trainings) == 1:
            step, left = type(learner)._step, [3]

            def stopping(self, x, y):
                left[0] -= 1
                if left[0] < 0:
                    raise KeyboardInterrupt
                return step(self, x, y)

            monkeypatch.setattr(type(learner), "_step", stopping)
        return real(learner, sequence, **keywords)

    with monkeypatch.context() as patch:
        patch.setattr(module, "train", interrupted)
        with pytest.raises(KeyboardInterrupt):
            run(out=tmp_path)
    monkeypatch.undo()
    assert Run.open(tmp_path / "order-0-1-2-seed-1").status == "interrupted"
    found = run(out=tmp_path)
    for key, value in whole.runs.items():
        np.testing.assert_array_equal(value.accuracy, found.runs[key].accuracy)


def test_after_an_interruption_the_finished_runs_are_returned(tmp_path, monkeypatch):
    def stopped(learner, sequence, *, seed, **keywords):
        found = cl.train(learner, sequence, seed=seed, **keywords)
        found.status = "interrupted" if seed == 1 else found.status
        return found

    monkeypatch.setattr(module, "train", stopped)
    assert list(run().runs) == [((0, 1, 2), 0)]


def test_what_a_killed_process_left_is_trained_anew(tmp_path):
    first = run(out=tmp_path)
    folders = sorted(tmp_path.iterdir())
    for state in (folders[0] / "states").iterdir():
        state.unlink()
    head = folders[0] / "run.json"
    head.write_text(head.read_text().replace('"finished"', '"training"'))
    (folders[1] / "run.json").unlink()
    with pytest.raises(FileExistsError, match="is no run's folder"):  # what is not surely a run is not deleted
        run(out=tmp_path)
    (folders[1] / "states" / "003.safetensors").unlink()
    for state in (folders[1] / "states").iterdir():
        state.unlink()
    (folders[1] / "states").rmdir()
    (folders[2] / "run.json").write_text("{")
    with pytest.warns(RuntimeWarning, match="trained anew"):
        again = run(out=tmp_path)
    for key, value in first.runs.items():
        np.testing.assert_array_equal(value.accuracy, again.runs[key].accuracy)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"epochs": 2}, "epochs=1"),
        ({"batch_size": 4}, "batch_size=8"),
        ({"make": lambda: tiny.learner("Finetune", lr=0.1)}, "another run"),
        ({"make": lambda: tiny.learner("Separate")}, "another run"),
        ({"sequence": tiny.sequence(3, noise=0.5)}, "another run"),
    ],
)
def test_folders_of_other_runs_are_refused(tmp_path, change, message):
    run(ORDERS[:1], seeds=(0,), out=tmp_path)
    with pytest.raises(ValueError, match=message):
        run(ORDERS[:1], seeds=(0,), out=tmp_path, **change)


@pytest.mark.parametrize("orders", [[], [(0, 0)], [(0, 3)], [()]])
def test_orders_are_checked_before_training(orders, trainings):
    with pytest.raises(ValueError, match="expected"):
        run(orders)
    assert trainings == []


def test_long_orders_have_folders_with_short_names():
    names = {module._folder(order, 0) for order in (tuple(range(100)), tuple(range(99, -1, -1)))}
    assert len(names) == 2
    assert all(len(name) < 100 for name in names)


def made(accuracies):
    """Runs whose tasks are all learned, and kept, as well as the number says."""
    runs = {}
    for order, values in accuracies.items():
        for seed, value in enumerate(values):
            runs[order, seed] = Run(np.full((len(order) + 1, len(order)), value))
    return OrderRuns(runs, ("t0", "t1", "t2", "t3"))


def test_comparison_joins_prediction_and_measurement():
    predicted = predict_orders(matrix(), rule="last")
    orders = [tuple(order) for order in predicted.best(5)["order"]]
    values = {order: [0.9 - 0.1 * i, 0.94 - 0.1 * i] for i, order in enumerate(orders)}
    shuffled = {order: values[order] for order in orders[::-1]}
    frame = made(shuffled).compare(predicted)
    assert list(frame) == ["order", "names", "predicted", "measured", "low", "high", "seeds"]
    assert list(frame["order"]) == orders
    np.testing.assert_allclose(frame["measured"], [np.mean(values[order]) for order in orders])
    low, high = stats.t.interval(0.95, 1, loc=0.92, scale=stats.sem(values[orders[0]]))
    np.testing.assert_allclose(frame[["low", "high"]].iloc[0], (low, high))
    assert frame.attrs["spearman"] == pytest.approx(1)
    assert frame.attrs["weighted_kendall"] == pytest.approx(1)


def test_comparison_goes_by_the_tasks_names():
    names = ("t2", "t0", "t3", "t1")
    rows = [2, 0, 3, 1]
    turned = TransferMatrix(matrix().values[np.ix_(rows, rows)], "x", names, names)
    runs = made({(0, 1, 2, 3): [0.5], (3, 1, 2, 0): [0.7]})
    a, b = (runs.compare(predict_orders(m)) for m in (matrix(), turned))
    np.testing.assert_allclose(a["predicted"], b["predicted"])
    assert a[["low", "high"]].isna().all(axis=None)
    assert math.isnan(a.attrs["spearman"])


def test_comparison_with_other_tasks_is_refused():
    with pytest.raises(ValueError, match="prediction for the tasks"):
        made({(0, 1): [0.5]}).compare(predict_orders(matrix(3)))
    with pytest.raises(ValueError, match="at least one run"):
        made({}).compare(predict_orders(matrix()))
    with pytest.raises(ValueError, match="measure="):
        made({(0, 1): [0.5]}).compare(predict_orders(matrix()), measure="forgetting")


@pytest.mark.parametrize("given", [np.eye(3), {"h_score": None}])
def test_what_names_no_tasks_is_refused_with_a_way_out(given):
    with pytest.raises(TypeError, match=r"expected a TransferMatrix, which names its tasks; got a (ndarray|dict)"):
        predict_orders(given)
