"""TransferExplorer in a browser: what is chosen is drawn, what is pointed at is explained, and both answer at once."""

import re

import numpy as np
import pytest

from cltoolkit.transferability import TransferMatrix
from cltoolkit.widgets import TransferExplorer

HOSTILE = "<img src=x onerror=\"document.title='hit'\">"
NAMES = ("0°", "15°", "30°", "45°")
BUSY = """([selector, event, values]) => new Promise((resolve) => {
    const control = document.querySelector(selector), times = [];
    const next = (k) => {
        if (k === values.length) { resolve(times.sort((a, b) => a - b)[times.length >> 1]); return; }
        control.selectedIndex = values[k];
        const begin = performance.now();
        control.dispatchEvent(new Event(event));
        requestAnimationFrame(() => { times.push(performance.now() - begin); setTimeout(() => next(k + 1)); });
    };
    next(0);
})"""


def matrix(estimator="h_score", seed=0, names=NAMES, repeats=0, **parts):
    samples = np.random.default_rng(seed).normal(size=(repeats or 1, len(names), len(names)))
    return TransferMatrix(samples.mean(0), estimator, names, names, samples=samples if repeats else None, **parts)


def made(names=NAMES):
    floor = np.full((len(names),) * 2, 0.25)
    scores = {
        "h_score": matrix(names=names, floor=floor, settings={"samples": 300, "seed": 7}),
        "leep": matrix("leep", 1, names),
    }
    settings = {"baseline": np.linspace(0.1, 0.4, len(names)).tolist()}
    return TransferExplorer(scores, matrix("fine_tune_gain", 2, names, repeats=3, settings=settings))


@pytest.fixture
def expect():
    return pytest.importorskip("playwright.sync_api").expect


@pytest.fixture
def page(page_of):
    return page_of(made())


def test_a_cell_says_what_it_was_computed_from(page, expect):
    page.locator(".clt-at-left").press("ArrowRight")
    said = page.get_by_role("status")
    score = made().matrices["h_score"]
    expect(said).to_contain_text("0° → 0° (itself)")
    expect(said).to_contain_text(f"rank {score.ranks()[0, 0]:g} of 4")
    expect(said).to_contain_text("noise floor 0.25")
    expect(said).to_contain_text("computed from h_score: samples 300, seed 7")
    page.locator(".clt-at-right").press("ArrowRight")
    page.locator(".clt-at-right").press("ArrowDown")
    gain = made().matrices["measured"]
    low, high = (f"{end[1, 0]:.2f}".replace("-", "") for end in gain.interval())
    expect(said).to_contain_text("15° → 0°")
    for text in (low, high, "3 repetitions", "baseline on this target 0.100", "mean of 3 repetitions"):
        expect(said).to_contain_text(text)


def test_what_is_chosen_is_drawn(page, expect):
    left = page.locator(".clt-at-left")
    expect(left).to_have_attribute(
        "aria-label",
        "H-score: 4 sources as rows, 4 targets as columns, as given. Arrow keys read cells, Enter picks a target.",
    )
    page.locator(".clt-left").select_option(label="LEEP")
    expect(left).to_have_attribute(
        "aria-label",
        "LEEP: 4 sources as rows, 4 targets as columns, as given. Arrow keys read cells, Enter picks a target.",
    )
    page.locator(".clt-order").select_option(label="by similarity")
    first = made().content["orders"][1][0]
    left.press("ArrowRight")
    expect(page.get_by_role("status")).to_contain_text(f"{NAMES[first]} → {NAMES[first]}")


def test_a_difference_is_one_of_ranks(page, expect):
    page.locator(".clt-shown").select_option(label="difference of ranks")
    right = page.locator(".clt-at-right")
    right.press("ArrowRight")
    said = page.get_by_role("status")
    for name in ("h_score", "measured"):
        expect(said).to_contain_text(f"rank {made().matrices[name].ranks()[0, 0]:g} of 4")
    expect(right).to_have_attribute("aria-label", re.compile("^places higher, H-score than measured"))


def test_a_key_means_the_state_as_it_is_not_the_picture_before_it(page, expect):
    page.evaluate("""() => {
        const shown = document.querySelector(".clt-shown"), right = document.querySelector(".clt-at-right");
        shown.selectedIndex = 2;
        shown.dispatchEvent(new Event("change"));
        right.dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowRight", bubbles: true }));
    }""")
    expect(page.get_by_role("status")).to_contain_text(f"rank {made().matrices['h_score'].ranks()[0, 0]:g} of 4")


def test_picking_a_target_picks_it_everywhere(page, expect):
    before = page.locator("canvas").last.get_attribute("data-frame")
    left = page.locator(".clt-at-left")
    left.press("ArrowRight")
    left.press("ArrowRight")
    left.press("Enter")
    expect(page.locator("select.clt-task")).to_have_value("15°")
    for side in ("left", "right"):
        expect(page.locator(f".clt-at-{side}")).to_have_attribute("aria-label", re.compile("picked target 15°"))
    expect(page.locator("canvas").last).not_to_have_attribute("data-frame", before)
    left.press("Escape")
    expect(page.locator("select.clt-task")).to_have_value("none picked")


def test_the_table_of_agreement_stands_beside(page, expect):
    rows = page.locator(".clt-agreement tr")
    expect(rows).to_have_count(3)
    expect(rows.nth(1).locator("td")).to_have_text(made().content["agreement"]["rows"][0])
    expect(page.locator(".clt-agreement p")).to_have_text(made().content["agreement"]["words"])


def test_names_of_strangers_stay_text(page_of, expect):
    page = page_of(made((HOSTILE, "b", "c", "d")))
    page.locator(".clt-at-left").press("ArrowRight")
    expect(page.get_by_role("status")).to_contain_text(HOSTILE)
    assert page.locator("img").count() == 0
    assert page.title() != "hit"


@pytest.mark.parametrize(("count", "bar"), [(20, 60), (200, 500)])
def test_every_choice_answers_at_once(page_of, count, bar):
    """Bars are wide, for the machine may be busy; what it takes alone is a sixth of it."""
    page = page_of(made(tuple(f"task {t}" for t in range(count))))
    for trait, values in (("left", [1, 0, 1]), ("shown", [1, 2, 0]), ("order", [1, 0, 1]), ("task", [3, 5, 2])):
        took = page.evaluate(BUSY, [f"select.clt-{trait}", "change", values])
        assert took < bar, trait
