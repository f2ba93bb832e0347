"""OrderExplorer in a browser: tasks move by keys and by pointer, and values are those of Orders to the sixth digit."""

import re

import numpy as np
import pytest

from cltoolkit.orders import OrderRuns, predict_orders
from cltoolkit.records import Run
from cltoolkit.transferability import TransferMatrix
from cltoolkit.widgets import OrderExplorer

HOSTILE = "<img src=x onerror=\"document.title='hit'\">"
NAMES = ("a", "b", "c", "d", "e")
PACE = """(keys) => new Promise((resolve) => {
    const times = [], next = (k) => {
        if (k === keys.length) { resolve(times.sort((a, b) => a - b)[times.length >> 1]); return; }
        const begin = performance.now();
        document.querySelector(".clt-chip").dispatchEvent(new KeyboardEvent("keydown", { key: keys[k] }));
        requestAnimationFrame(() => { times.push(performance.now() - begin); setTimeout(() => next(k + 1)); });
    };
    next(0);
})"""


def orders(rule="best", names=NAMES):
    values = np.random.default_rng(1).normal(size=(len(names),) * 2)
    return predict_orders(TransferMatrix(values, "fine_tune_gain", names, names), rule=rule, samples=300)


def runs(given, names=NAMES):
    accuracy = {order: np.full((len(order) + 1, len(order)), 0.5 + 0.02 * k) for k, order in enumerate(given)}
    return OrderRuns({(order, 0): Run(held) for order, held in accuracy.items()}, names)


SOME = ((0, 1, 2, 3, 4), (4, 3, 2, 1, 0), (1, 0, 3, 2, 4))


def train(order):
    return runs([order])


@pytest.fixture
def expect():
    return pytest.importorskip("playwright.sync_api").expect


def order_of(page):
    return [int(t) for t in page.locator(".clt-value").get_attribute("data-order").split()]


def value_of(page):
    return float(page.locator(".clt-value").get_attribute("data-value"))


def chips(page):
    return page.locator(".clt-chip").all_text_contents()


@pytest.mark.parametrize("rule", ["best", "mean", "last"])
def test_values_are_those_of_orders_on_random_orders(page_of, expect, rule):
    held = orders(rule)
    page = page_of(OrderExplorer(held))
    rng, now = np.random.default_rng(3), list(range(5))
    for _ in range(10):
        t = int(rng.integers(5))
        key = str(rng.choice(["ArrowLeft", "ArrowRight", "Home", "End"]))
        at = now.index(t)
        now.remove(t)
        now.insert({"ArrowLeft": max(at - 1, 0), "ArrowRight": min(at + 1, 4), "Home": 0, "End": 4}[key], t)
        page.locator(f".clt-chip[data-task='{t}']").press(key)
        expect(page.locator(".clt-value")).to_have_attribute("data-order", " ".join(map(str, now)))
        assert value_of(page) == pytest.approx(held.value_of(now), abs=1e-6)
    assert chips(page) == [NAMES[t] for t in now]


def test_a_chip_that_moves_keeps_the_focus_and_is_announced(page_of, expect):
    page = page_of(OrderExplorer(orders()))
    chip = page.locator(".clt-chip[data-task='0']")
    chip.press("ArrowRight")
    expect(chip).to_be_focused()
    expect(chip).to_have_attribute("aria-label", "a, place 2 of 5")
    expect(page.get_by_role("status")).to_contain_text("a is at place 2 of 5. Predicted value")
    page.keyboard.press("ArrowRight")
    expect(page.locator(".clt-value")).to_have_attribute("data-order", "1 2 0 3 4")


def test_a_chip_follows_the_pointer(page_of, expect):
    page = page_of(OrderExplorer(orders()))
    box, end = (page.locator(f".clt-chip[data-task='{t}']").bounding_box() for t in (1, 4))
    page.mouse.move(box["x"] + 5, box["y"] + 5)
    page.mouse.down()
    page.mouse.move(end["x"] + end["width"] + 30, end["y"] + 8, steps=6)
    page.mouse.up()
    expect(page.locator(".clt-value")).to_have_attribute("data-order", "0 2 3 4 1")
    assert chips(page) == list("acdeb")
    expect(page.get_by_role("status")).to_contain_text("b is at place 5 of 5.")


def test_a_click_picks_a_task_and_moves_nothing(page_of, expect):
    page = page_of(OrderExplorer(orders()))
    chip = page.locator(".clt-chip[data-task='2']")
    chip.click()
    expect(chip).to_have_attribute("aria-pressed", "true")
    assert order_of(page) == [0, 1, 2, 3, 4]
    chip.press("Enter")
    expect(chip).to_have_attribute("aria-pressed", "false")


def test_buttons_lead_to_the_best_the_worst_and_the_given_order(page_of, expect):
    view = OrderExplorer(orders())
    page, values = page_of(view), view.orders.values
    for what, value in (("best", values.max()), ("worst", values.min()), ("given", view.orders.value_of(range(5)))):
        page.locator(f".clt-{what}").click()
        expect(page.locator(".clt-value")).to_contain_text(f"{value:.4f}".replace("-", "−"))
        assert value_of(page) == pytest.approx(value, abs=1e-6)
    page.locator(".clt-worst").click()
    expect(page.locator(".clt-value")).to_contain_text("better than 0 % of all 120 orders")


def test_what_a_task_draws_on_is_said(page_of, expect):
    view = OrderExplorer(orders())
    page = page_of(view)
    canvas, scores = page.locator(".clt-at-draws"), view.orders.scores
    for _ in range(3):
        canvas.press("ArrowRight")
    source = int(scores[:2, 2].argmax())
    said = f"{scores[source, 2]:.3f} from {NAMES[source]}".replace("-", "−")
    expect(page.get_by_role("status")).to_contain_text(re.compile(f"c, place 3\\s+draws {re.escape(said)}"))
    canvas.press("Enter")
    expect(page.locator(".clt-chip[data-task='2']")).to_have_attribute("aria-pressed", "true")


def test_measured_orders_are_points_to_go_to(page_of, expect):
    page = page_of(OrderExplorer(orders(), runs(SOME)))
    against = page.locator(".clt-at-against")
    expect(against).to_have_attribute(
        "aria-label", re.compile("3 orders, Spearman's ρ [+−].*this order measured 0.500")
    )
    against.press("ArrowRight")
    against.press("Enter")
    lowest = min(SOME, key=orders().value_of)
    expect(page.locator(".clt-value")).to_have_attribute("data-order", " ".join(map(str, lowest)))


def test_a_page_says_why_it_cannot_train(page_of, expect):
    page = page_of(OrderExplorer(orders(), train=train))
    expect(page.locator(".clt-start")).to_be_disabled()
    expect(page.locator(".clt-why")).to_contain_text("a page has no kernel")


def test_names_of_strangers_stay_text(page_of, expect):
    names = (HOSTILE, "b", "c", "d", "e")
    page = page_of(OrderExplorer(orders(names=names), runs(SOME, names)))
    page.locator(".clt-chip").first.press("ArrowRight")
    expect(page.get_by_role("status")).to_contain_text(HOSTILE)
    assert page.locator("img").count() == 0
    assert page.title() != "hit"


@pytest.mark.parametrize(("count", "bar"), [(8, 60), (200, 500)])
def test_every_move_answers_at_once(page_of, count, bar):
    """Bars are wide, for the machine may be busy."""
    page = page_of(OrderExplorer(orders("best", tuple(f"task {t}" for t in range(count)))))
    assert page.evaluate(PACE, ["ArrowRight", "ArrowDown", "End", "ArrowLeft", "Home", "ArrowRight", "End"]) < bar
