"""IntervalExplorer in a browser: it says what the kernel would say, too, and bars have their pictures."""

import numpy as np
import pytest
from made_interval_views import HOSTILE, SCALES, certificate, curves, run
from made_views import pictured

from cltoolkit.tasks import TaskSequence
from cltoolkit.widgets import IntervalExplorer
from cltoolkit.widgets._interval_words import curve_sentence, example_sentence

from .pixels import TIMES

sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install playwright")
expect = sync_api.expect

# The grey value at the middle of each pixel of the large picture.
LARGE = """([count, corner, side]) => {
    const canvas = document.querySelectorAll("canvas")[1], ratio = canvas.width / canvas.clientWidth;
    const ctx = canvas.getContext("2d");
    const at = (k) => Math.round((corner + (side * (k + 0.5)) / count) * ratio);
    const grey = (i) => ctx.getImageData(at(i % count), at(Math.floor(i / count)), 1, 1).data[0];
    return Array.from({ length: count * count }, (_, i) => grey(i));
}"""


@pytest.fixture
def view():
    """Of three tasks, with the pictures of two dozen examples each."""
    grown = curves((1.0, 0.95, 0.9, 0.4, 0.2), (1.0, 1.0, 0.95, 0.9, 0.7), scales=SCALES)
    return IntervalExplorer(
        run(3, name="{} of 3"),
        curves=dict.fromkeys(range(3), grown),
        certificates=[certificate(t, n=24, name=f"{t} of 3") for t in range(3)],
        sequence=TaskSequence([pictured(t, 24, "of 3") for t in range(3)]),
    )


@pytest.fixture
def note():
    return lambda page: page.locator(".clt-note")


def test_the_slider_moves_the_sentence_and_page_and_kernel_say_the_same(page_of, view, note):
    view.view, view.task = "curves", 1
    page = page_of(view)
    slider = page.locator("input.clt-scale")
    for value in ("0", "0.5", "0.7", "1", "1.3", "2", "3.2", "4"):
        slider.fill(value)
        said = curve_sentence(view.ledger, 1, float(value))
        expect(note(page)).to_contain_text(said)
        assert note(page).text_content().startswith(said)
    slider.fill("3.2")
    expect(note(page)).to_contain_text("Certified at 4, the next larger scale of the grid, so it holds here")
    slider.focus()
    slider.press("ArrowRight")
    expect(slider).not_to_have_value("3.2")


@pytest.mark.parametrize(
    "each", [curves((1.0, 0.9, 0.0)), curves((1.0, 0.9, 0.4)), curves(width=1e-9), curves(attacked=[np.nan] * 3)]
)
def test_what_is_vacuous_is_said_as_the_kernel_says_it(page_of, note, each):
    view = IntervalExplorer(run(), curves={0: each, 1: curves(scales=(0, 1, 5))})
    view.view = "curves"
    page = page_of(view)
    for value in ("0", "1.5", "2.5"):
        page.locator("input.clt-scale").fill(value)
        expect(note(page)).to_contain_text(curve_sentence(view.ledger, 0, float(value)))


def test_a_point_of_a_curve_picked_moves_the_slider(page_of, view):
    view.view = "curves"
    page = page_of(view)
    canvas = page.locator("canvas").first
    for key in ("ArrowRight", "ArrowDown", "ArrowDown", "ArrowRight"):
        canvas.press(key)
    expect(page.locator(".clt-said")).to_contain_text("radii × 0.5: certified")
    canvas.press("Enter")
    expect(page.locator("input.clt-scale")).to_have_value("0.5")


def test_only_the_controls_that_do_something_are_shown(page_of, view):
    page = page_of(view)
    for index, (moment, scale, beside) in enumerate([(1, 0, 1), (1, 0, 1), (0, 0, 0), (0, 1, 0), (0, 0, 1), (1, 0, 1)]):
        page.locator("select.clt-view").select_option(index=index)
        expect(page.locator("input.clt-moment")).to_be_visible(visible=bool(moment))
        expect(page.locator("input.clt-scale")).to_be_visible(visible=bool(scale))
        expect(page.locator("canvas").nth(1)).to_be_visible(visible=bool(beside))
        assert page.locator("canvas").first.get_attribute("aria-label")


def test_a_cell_of_the_half_widths_is_named_and_picks_its_task(page_of, view, note):
    page = page_of(view)
    canvas = page.locator("canvas").first
    canvas.press("ArrowRight")
    canvas.press("ArrowDown")
    value = view.ledger.series["half_widths"][2, 1, 0]
    expect(page.locator(".clt-said")).to_contain_text(f"1 of 3, dimension 0: half-width {value:.3g}")
    canvas.press("Enter")
    expect(page.locator("select.clt-task")).to_have_js_property("selectedIndex", 2)
    total = view.ledger.series["half_widths"][2, 1].sum()
    expect(note(page)).to_contain_text(f"1 of 3: half-widths sum to {total:.3g} (γ = {total:.3g})")
    canvas.press("Escape")
    expect(page.locator("select.clt-task")).to_have_js_property("selectedIndex", 0)


def test_the_moment_takes_tasks_away(page_of, view, note):
    view.task = 2
    page = page_of(view)
    for index in (0, 1, 5):
        page.locator("select.clt-view").select_option(index=index)
        page.locator("input.clt-moment").fill("3")
        expect(note(page)).not_to_contain_text("not learned yet")
        page.locator("input.clt-moment").fill("2")
        expect(note(page)).to_contain_text("not learned yet")


def test_bars_have_their_pictures(page_of, view, note):
    view.view, view.task = "margins", 1
    each, found = view.ledger.certificates[1], view.behind[1]
    page = page_of(view)
    bars = page.locator("canvas").first
    for k in range(3):
        bars.press("ArrowRight")
        example = int(found.order[found.shown[k]])
        expect(page.locator(".clt-said")).to_have_text(example_sentence(each, found, example))
        shown = np.array(page.evaluate(LARGE, [8, 4, 146]))
        assert np.abs(shown - found.pixels[k].ravel()).max() <= 1
    bars.press("Enter")
    expect(note(page)).to_contain_text(example_sentence(each, found, example))


def test_pictures_are_walked_and_picked_too(page_of, view, note):
    view.view = "margins"
    page = page_of(view)
    pictures = page.locator("canvas").nth(1)
    for key in ("ArrowRight", "ArrowDown", "ArrowLeft", "ArrowRight", "Enter"):
        pictures.press(key)
    found = view.behind[0]
    said = example_sentence(view.ledger.certificates[0], found, int(found.order[found.shown[10]]))
    expect(note(page)).to_contain_text(said)
    page.locator("select.clt-task").select_option(index=2)
    expect(note(page)).not_to_contain_text("Example")
    pictures.press("Enter")  # nothing is left of what was pointed at


def test_a_bar_under_the_pointer_is_named_and_clicked(page_of, note):
    view = IntervalExplorer(run(), certificates=[certificate(n=20)])
    view.view = "margins"
    page = page_of(view)
    page.locator("canvas").first.hover(position={"x": 60, "y": 200})
    expect(page.locator(".clt-tip").first).to_contain_text("not certified")
    page.locator("canvas").first.click(position={"x": 500, "y": 200})
    last = int(view.behind[0].order[-1])
    expect(note(page)).to_contain_text(example_sentence(view.ledger.certificates[0], view.behind[0], last))


def test_widths_that_have_collapsed_are_called_so(page_of, note):
    view = IntervalExplorer(run())
    view.view, view.task = "widths", 1  # of which the made-up Run has no widths
    expect(note(page_of(view))).to_contain_text("VACUOUS")


def test_names_are_text(page_of, note):
    layers = certificate(name=HOSTILE)
    view = IntervalExplorer(run(2, name=HOSTILE + "{}"), certificates=[layers], curves={0: curves()})
    page = page_of(view, dark=True)
    for index in range(len(view.offered)):
        page.locator("select.clt-view").select_option(index=index)
        page.locator("select.clt-task").select_option(index=1)
        page.locator("canvas").first.press("ArrowRight")
        expect(note(page)).to_contain_text("<img src=x")
    assert page.title() != "hit"
    assert page.locator("img").count() == 0


def test_two_hundred_tasks_answer_within_a_quarter_of_a_second(page_of):
    T = 200
    held = {t: curves() for t in range(T)}
    view = IntervalExplorer(run(T, d=32), curves=held, certificates=[certificate(t, n=500) for t in range(T)])
    page = page_of(view)
    for index in range(6):
        page.locator("select.clt-view").select_option(index=index)
        assert page.evaluate(TIMES, ["task", [7, 90, 3, 150, 60]]) < 250


def test_twenty_tasks_are_drawn_within_a_frame_or_so(page_of):
    page = page_of(IntervalExplorer(run(20, d=20)))
    assert page.evaluate(TIMES, ["moment", [5, 9, 12, 15, 7, 19, 3, 11]]) < 100  # 10 on a machine at rest
