"""MaskExplorer in a browser: what is pointed at is named, what is picked stays picked, controls move pictures."""

import re

import pytest
from made_mask_views import HOSTILE, learner, run

from cltoolkit.widgets import MaskExplorer
from cltoolkit.widgets._mask_words import donor_sentence

from .pixels import TIMES

sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install playwright")
expect = sync_api.expect
NAMES = ["zero", "one", "two", "three"]

# Different shades on a part of the picture.
SHADES = """([x, y, width, height]) => {
    const canvas = document.querySelector("canvas"), ratio = canvas.width / canvas.clientWidth;
    const { data } = canvas.getContext("2d").getImageData(x * ratio, y * ratio, width * ratio, height * ratio);
    const seen = new Set();
    for (let k = 0; k < data.length; k += 4) seen.add(data.slice(k, k + 3).join());
    return [...seen];
}"""


@pytest.fixture(scope="module")
def masked():
    return learner()


@pytest.fixture
def view(masked):
    return MaskExplorer(masked, names=NAMES)


def test_a_cell_is_walked_to_named_and_picked(page_of, view):
    page = page_of(view)
    canvas, status = page.locator("canvas").first, page.locator(".clt-said")
    expect(status).to_contain_text("Pick a cell")
    for key in ("ArrowRight", "ArrowRight", "ArrowDown"):
        canvas.press(key)
    expect(status).to_contain_text("The mask of one holds")
    canvas.press("ArrowDown")
    expect(status).to_contain_text("two and one share")
    canvas.press("Enter")
    expect(page.locator(".clt-task")).to_have_js_property("selectedIndex", 3)
    expect(page.locator(".clt-other")).to_have_js_property("selectedIndex", 2)
    view.task, view.other = 2, 1
    sentence = view.alt_text[view.alt_text.rindex("two and one share") :]
    expect(status).to_have_text(sentence)  # the page and the kernel say the same, to the letter
    assert canvas.get_attribute("aria-label") == sentence
    canvas.press("Escape")
    expect(page.locator(".clt-task")).to_have_value("none")


def test_the_kernel_and_the_page_say_the_same_of_every_task(page_of):
    view = MaskExplorer(run())
    view.view = "donors"
    page = page_of(view)
    for t in range(4):
        page.locator(".clt-task").select_option(index=t + 1)
        view.task = t
        said = donor_sentence(view.ledger, t)
        assert view.alt_text.endswith(said)
        expect(page.locator(".clt-said")).to_have_text(said)


def test_only_what_there_is_is_offered_and_the_rest_explained(page_of):
    page = page_of(MaskExplorer(run()))
    assert page.locator(".clt-view option").all_text_contents() == [
        "overlap of masks",
        "capacity by owner",
        "donors and scores",
        "weights used again",
    ]
    expect(page.locator(".clt-missing")).to_contain_text("a Run keeps counts")


def test_controls_are_those_of_the_view(page_of, view):
    page = page_of(view)
    shown = {
        "overlap": "measure task other",
        "capacity": "moment task",
        "weights": "layer moment task",
        "exclusive": "task",
    }
    for i, controls in enumerate(shown.values()):
        page.locator(".clt-view").select_option(index=i)
        for name in ("measure", "layer", "moment", "task", "other"):
            expect(page.locator(f".clt-{name}")).to_be_visible(visible=name in controls.split())


def test_capacity_grows_with_the_slider(page_of, view):
    view.view, view.moment = "capacity", 1
    page = page_of(view)
    status, slider = page.locator(".clt-said"), page.locator(".clt-moment")
    used = []
    for t in range(1, 5):
        expect(status).to_contain_text(f"After {t} task")
        used.append(float(re.search(r"([\d.]+) % of", status.text_content()).group(1)))
        slider.press("ArrowRight")
    assert used == sorted(set(used))
    canvas = page.locator("canvas").first
    canvas.press("ArrowRight")
    expect(status).to_contain_text(re.compile(r"all layers: zero owns \d+ weights, [\d.]+ %"))
    canvas.press("ArrowDown")
    expect(status).to_contain_text("0.weight: zero owns")
    canvas.press("Enter")
    expect(page.locator(".clt-task")).to_have_value("zero")


def test_owners_appear_on_the_grid_as_tasks_come(page_of, view):
    view.view, view.layer, view.moment = "weights", "0.weight", 1
    page = page_of(view)
    grid, slider = [60, 40, 500, 300], page.locator(".clt-moment")
    expect(page.locator("canvas").first).to_have_attribute("data-view", "weights")
    for t in range(1, 5):
        shades = page.evaluate(SHADES, grid)
        assert len(shades) == 1 + t  # paper, and a color for each owner
        frame = page.locator("canvas").first.get_attribute("data-frame")
        slider.press("ArrowRight")
        if t < 4:
            expect(page.locator("canvas").first).not_to_have_attribute("data-frame", frame)


def test_each_weight_is_named_with_its_owner_and_users(page_of, view, masked):
    view.view, view.layer = "weights", "0.weight"
    page = page_of(view)
    canvas, status = page.locator("canvas").first, page.locator(".clt-said")
    held = [masked.masks.layer(t, "0.weight") for t in range(4)]
    canvas.press("ArrowRight")
    for column in range(8):
        using = [name for name, mask in zip(NAMES, held, strict=True) if mask[0, column]]
        said = (
            f"owner {using[0]}\nin the mask{'s' if len(using) > 1 else ''} of {', '.join(using)}" if using else "free"
        )
        expect(status).to_contain_text(f"weight [0, {column}]: {said}", use_inner_text=True)
        canvas.press("ArrowRight")


def test_a_donor_is_picked_by_a_click_and_its_scores_follow(page_of):
    view = MaskExplorer(run())
    view.view = "donors"
    page = page_of(view)
    tree, bars = page.locator("canvas").nth(0), page.locator("canvas").nth(1)
    tree.click(position={"x": 24 + 432 * 2.5 / 4, "y": 340 - 90})
    expect(page.locator(".clt-task")).to_have_value("digits 2")
    expect(page.locator(".clt-said")).to_contain_text("digits 2: none, fell back to a start of its own")
    expect(bars).to_have_attribute("aria-label", re.compile("digits 2: none, fell back"))
    bars.press("ArrowRight")
    expect(page.locator(".clt-said")).to_contain_text(
        re.compile(r"digits 0 as a start for digits 2: 0\.\d+, not enough")
    )


def test_a_task_picked_in_one_view_is_picked_in_the_other(page_of, masked, view):
    other = MaskExplorer(masked, names=NAMES)
    other.view = "capacity"
    page = page_of(view, other)
    page.locator(".clt-task").nth(1).select_option(label="three")
    expect(page.locator(".clt-task").nth(0)).to_have_value("three")


def test_names_of_strangers_are_shown_and_never_run(page_of, masked):
    view = MaskExplorer(masked, names=[HOSTILE, *NAMES[1:]])
    page = page_of(view)
    for i in range(len(view.offered)):
        page.locator(".clt-view").select_option(index=i)
        page.locator(".clt-task").select_option(index=1)
        expect(page.locator(".clt-said")).to_contain_text("<img src=x" if i != 2 else "weight")
    assert page.title() == "Masks of SupSup"
    assert page.locator(".clt img").count() == 0


def test_a_dark_page_and_a_narrow_one_show_it_too(page_of, view):
    page = page_of(view, dark=True, width=420)
    for i, each in enumerate(view.offered):
        page.locator(".clt-view").select_option(index=i)
        canvas = page.locator("canvas").first
        expect(canvas).to_have_attribute("data-view", each)
        box = canvas.bounding_box()
        assert box["x"] + box["width"] <= 420
        assert "230,230,230" in page.evaluate(SHADES, [0, 0, 200, 20])  # the title, in the page's own color of text


def test_two_hundred_tasks_answer_at_once(page_of):
    page = page_of(MaskExplorer(learner(200, shapes=[(40, 30)] + [(40, 40)] * 3 + [(10, 40)])))
    for i, trait in enumerate(("measure", "moment", "moment")):
        page.locator(".clt-view").select_option(index=i)
        values = [1, 2, 0, 1, 2] if trait == "measure" else [10, 60, 110, 160, 190]
        assert page.evaluate(TIMES, [trait, values]) < 250, i
