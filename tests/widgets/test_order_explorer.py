"""OrderExplorer: the value is that of Orders, what is measured is what train gave, and no error loses anything."""

import base64
import threading

import numpy as np
import pytest
import traitlets

from cltoolkit import plots
from cltoolkit.orders import OrderRuns, predict_orders
from cltoolkit.records import Run
from cltoolkit.transferability import TransferMatrix
from cltoolkit.widgets import OrderExplorer

HOSTILE = "<img src=x onerror=\"document.title='hit'\">"
NAMES = ("a", "b", "c", "d")


def orders(rule="best", names=NAMES, **settings):
    values = np.random.default_rng(0).normal(size=(len(names),) * 2)
    return predict_orders(TransferMatrix(values, "fine_tune_gain", names, names), rule=rule, **settings)


def a_run(order, seed=0):
    """A run whose accuracies tell its order and seed apart."""
    T = len(order)
    accuracy = np.full((T + 1, T), 0.5)
    for t in range(T):
        accuracy[t + 1, : t + 1] = 0.6 + 0.01 * order[0] + 0.001 * order[1] + 0.0001 * seed
    return Run(accuracy)


def runs(given, names=NAMES, seeds=(0,)):
    return OrderRuns({(order, seed): a_run(order, seed) for order in given for seed in seeds}, names)


SOME = ((0, 1, 2, 3), (3, 2, 1, 0), (1, 0, 3, 2))


def train(order):
    return runs([order])


@pytest.fixture
def view():
    return OrderExplorer(orders(), runs(SOME), train=train)


# The order


@pytest.mark.parametrize("rule", ["best", "mean", "last"])
def test_the_value_is_that_of_the_prediction(rule):
    view = OrderExplorer(orders(rule))
    for order in ([0, 1, 2, 3], [2, 0, 3, 1]):
        view.order = order
        assert view.value == view.orders.value_of(order)
        assert f"predicted value {view.value:.3g}" in view.alt_text
    assert repr(view) == f"OrderExplorer(4 tasks, all 24 orders, rule {rule})"


@pytest.mark.parametrize("order", [[0, 1, 2], [0, 1, 2, 2], [1, 2, 3, 4], []])
def test_an_order_is_a_permutation(view, order):
    with pytest.raises(traitlets.TraitError, match="each task from 0 to 3 once"):
        view.order = order


def test_the_best_is_better_than_all_but_its_equals_and_the_worst_than_none(view):
    values = view.orders.values
    below = (values < values.max() - 1e-9).mean()
    view.order = view.content["notable"]["best"]
    assert f"better than {int(100 * below)} % of them" in view.alt_text
    view.order = view.content["notable"]["worst"]
    assert "better than 0 % of them" in view.alt_text


def test_many_tasks_are_drawn_from():
    names = tuple(f"task {t}" for t in range(30))
    view = OrderExplorer(orders(names=names, samples=200))
    assert "some 200 orders" in repr(view)
    assert view.arrays["values"]["shape"] == [200]
    view.figure()


# What is measured


def test_measured_orders_stand_beside_their_predictions(view):
    frame = view.measured.compare(view.orders)
    held = np.frombuffer(view.arrays["learned"]["data"], "<f4").reshape(view.arrays["learned"]["shape"])
    np.testing.assert_allclose(held[:, :2], frame[["predicted", "measured"]], rtol=1e-6)
    assert view.content["measured"]["learned"] == [list(order) for order in frame["order"]]
    assert view.content["correlations"]["learned"]["spearman"] == pytest.approx(frame.attrs["spearman"])
    assert "3 orders trained" in view.alt_text
    assert "This order measured 0.601 (learned)." in view.alt_text


def test_runs_of_tasks_in_another_order_are_renumbered():
    turned = ("d", "c", "b", "a")
    view = OrderExplorer(orders(), runs([(0, 1, 2, 3)], turned))
    assert view.measured.orders == ((3, 2, 1, 0),)
    assert view.measured.names == NAMES


def test_one_measured_order_has_no_correlation():
    view = OrderExplorer(orders(), runs(SOME[:1]))
    assert view.content["correlations"]["learned"]["spearman"] is None
    assert "1 order trained; Spearman's ρ of prediction and outcome unknown." in view.alt_text
    view.figure()
    view.to_html()


def test_runs_of_other_tasks_are_refused():
    with pytest.raises(ValueError, match="expected a prediction for the tasks"):
        OrderExplorer(orders(), runs(SOME, ("a", "b", "c", "x")))


# Training


def test_measuring_adds_the_order_as_it_stands(view):
    view.order = [2, 3, 0, 1]
    found = view.measure()
    assert found is view.measured
    assert found.orders == (*SOME, (2, 3, 0, 1))
    assert len(view.content["measured"]["final"]) == 4
    assert view.training == []


def test_new_seeds_of_a_known_order_are_added_to_it(view):
    view = OrderExplorer(orders(), runs(SOME), train=lambda order: runs([order], seeds=(1, 2)))
    view.measure()
    assert [seed for order, seed in view.measured.runs if order == SOME[0]] == [0, 1, 2]


def test_where_nobody_watches_start_trains_to_the_end():
    view = OrderExplorer(orders(), train=train)
    view.start()
    assert view.measured.orders == ((0, 1, 2, 3),)


def test_a_button_trains_in_a_thread_one_order_at_a_time():
    let, names = threading.Event(), []

    def slow(order):
        names.append(threading.current_thread().name)
        let.wait(20)
        return runs([order])

    view = OrderExplorer(orders(), runs(SOME), train=slow)
    view.order = [2, 3, 0, 1]
    assert view.answer("start") == "started"
    assert view.training == [2, 3, 0, 1]
    view.order = [0, 1, 3, 2]  # meanwhile something else is looked at
    with pytest.raises(RuntimeError, match="c → d → a → b is being trained"):
        view.start()
    assert not view.wait(0.01)
    let.set()
    assert view.wait(20)
    assert view.measured.orders[-1] == (2, 3, 0, 1)
    assert view.training == []
    assert names == ["orders"]


def test_an_error_in_the_thread_is_shown_and_loses_nothing():
    def broken(order):
        raise ZeroDivisionError("in the middle of training")

    view = OrderExplorer(orders(), runs(SOME), train=broken)
    view.answer("start")
    assert view.wait(20)
    assert "ZeroDivisionError: in the middle of training" in view.problem
    assert "Traceback" in view.problem
    assert view.measured.orders == SOME
    assert view.training == []
    with pytest.raises(ZeroDivisionError):
        view.measure()


@pytest.mark.parametrize(
    ("given", "error", "said"),
    [
        (lambda order: 3, TypeError, "expected `train` to return an OrderRuns"),
        (lambda order: OrderRuns({}, NAMES), RuntimeError, "no run was finished"),
        (lambda order: runs([order], ("a", "b", "c", "x")), ValueError, "expected a prediction for the tasks"),
    ],
)
def test_what_train_must_return_is_said(given, error, said):
    view = OrderExplorer(orders(), runs(SOME), train=given)
    with pytest.raises(error, match=said):
        view.measure()
    assert said in view.problem
    assert view.measured.orders == SOME
    view._train = train
    view.measure()
    assert view.problem == ""


def test_without_train_nothing_is_started():
    view = OrderExplorer(orders())
    assert view.content["trains"] is False
    for begin in (view.start, view.measure, lambda: view.answer("start")):
        with pytest.raises(ValueError, match="expected something to train with"):
            begin()
    with pytest.raises(LookupError):
        view.answer("stop")


# Pictures and words


def test_the_figure_marks_where_the_order_stands(view):
    view.order = [3, 1, 0, 2]
    first = view.figure().axes[0]
    assert "thick line: d → b → a → c" in first.get_xlabel()
    assert any(np.allclose(line.get_xdata(), view.value) for line in first.lines)
    assert "measured" in plots.alt_text(view.figure())
    view.outcome = "final"
    assert "at the end" in view.figure().axes[1].get_ylabel()


def test_without_runs_the_figure_is_of_predictions_alone():
    assert len(OrderExplorer(orders()).figure().axes) == 1


def test_the_bundle_holds_a_picture_and_words(view):
    data, about = view._repr_mimebundle_()
    assert base64.b64decode(data["image/png"]).startswith(b"\x89PNG")
    assert data["text/plain"] == repr(view)
    assert about["image/png"]["alt"] == view.alt_text
    assert "nan" not in view.alt_text


def test_names_of_strangers_stay_text():
    names = (HOSTILE, "b", "c", "d")
    page = OrderExplorer(orders(names=names), runs(SOME, names)).to_html()
    assert "<img" not in page
    assert "://" not in page
