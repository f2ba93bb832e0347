"""The map of tasks in a browser: with the keys, with the mouse, with a kernel and without."""

import re

import numpy as np
import pytest

sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install playwright")
expect = sync_api.expect

from cltoolkit import Run  # noqa: E402
from cltoolkit.transferability import TransferMatrix  # noqa: E402
from cltoolkit.widgets import RunExplorer, TaskMap  # noqa: E402

EVIL = """<img src=x onerror="document.title='hit'">"""
DARK = """(canvas) => {  // pixels as dark as the hatch, inside the frame
  const { data, width, height } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  let dark = 0;
  for (let y = 40; y < height - 60; y++)
    for (let x = 80; x < width - 30; x++) {
      const k = 4 * (y * width + x);
      if (data[k + 3] > 200 && Math.max(data[k], data[k + 1], data[k + 2]) < 60) dark++;
    }
  return dark;
}"""
WRITTEN = """() => {  // every line of text drawn from now on: where it begins and ends
  window.written = [];
  const { fillText } = CanvasRenderingContext2D.prototype;
  CanvasRenderingContext2D.prototype.fillText = function (text, x, y) {
    const wide = this.measureText(text).width, from = this.textAlign === "right" ? x - wide : x;
    window.written.push([text, from, from + wide]);
    fillText.call(this, text, x, y);
  };
}"""
FIRST = """(canvas) => {  // the middle of what has the color of the first task, as shares of width and height
  const { data, width, height } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  let n = 0, sx = 0, sy = 0;
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) {
      const k = 4 * (y * width + x);
      if (data[k] === 0 && data[k + 1] === 0x72 && data[k + 2] === 0xb2 && data[k + 3] > 250) {
        n++; sx += x; sy += y;
      }
    }
  return [sx / n / width, sy / n / height];
}"""


def made(T, d=4, half=0.5, names=None):
    """A run of T tasks whose embeddings never move, with boxes."""
    points = np.random.default_rng(T).normal(size=(T, d))
    rows = np.full((T, T, d), np.nan)
    for t in range(T):
        rows[t, : t + 1] = points[: t + 1]
    tasks = [{"name": name} for name in names or [f"t{j}" for j in range(T)]]
    series = {"embeddings": rows, "half_widths": np.where(np.isnan(rows), np.nan, half)}
    return Run(np.full((T + 1, T), 0.75), {"sequence": {"tasks": tasks}}, series=series)


def canvas(page):
    return page.locator(".clt-task-map canvas")


def said(page):
    return page.locator(".clt-task-map .clt-said")


def choose(page, trait, label):
    page.locator(f".clt-task-map .clt-{trait}").select_option(label=label)


def shows(page, what):
    expect(canvas(page)).to_have_attribute("data-shown", what)


def test_a_long_name_of_a_score_does_not_cover_the_stress(page_of):
    run = made(5)
    scores = TransferMatrix(np.random.default_rng(0).normal(size=(5, 5)), "h_score" * 9, run.task_names, run.task_names)
    view = TaskMap(run, transfer=scores)
    view.by = "transfer"
    page = page_of(view)
    shows(page, "transfer mds 0")
    page.evaluate(WRITTEN)
    page.locator(".clt-task-map .clt-moment").press("ArrowLeft")
    expect(page.locator(".clt-trust")).to_contain_text("Faint: not learned yet")
    page.wait_for_function("() => window.written.some(([text]) => text.startsWith('stress'))")
    title = page.evaluate("() => window.written.find(([text]) => text.startsWith('Transfer'))")
    stress = page.evaluate("() => window.written.find(([text]) => text.startsWith('stress'))")
    assert title[2] < stress[1], (title, stress)


def test_the_slider_walks_through_training_and_stress_is_always_said(page_of):
    view = TaskMap(made(5))
    page = page_of(view)
    shows(page, "embedding mds 5")
    slider = page.locator(".clt-moment")
    for t in (4, 3, 2, 1):
        slider.press("ArrowLeft")
        shows(page, f"embedding mds {t}")
        stress = view.answer("map", "embedding", "mds", t)["stress"]
        expect(page.locator(".clt-trust")).to_contain_text(f"Stress {stress:.3f} (")
        expect(canvas(page)).to_have_attribute("aria-label", re.compile(f"after {t} of 5 tasks"))


def test_a_task_is_picked_with_the_keys_and_let_go_with_escape(page_of):
    page = page_of(TaskMap(made(3)), RunExplorer(made(3)))
    canvas(page).focus()
    for _ in range(2):
        canvas(page).press("ArrowRight")
    expect(said(page)).to_contain_text("t1: (")
    expect(said(page)).to_contain_text("truly")
    expect(said(page)).to_contain_text("accuracy after 3 tasks: 0.750")
    for key, task in (("Enter", "1"), ("Escape", "-1")):
        canvas(page).press(key)
        expect(canvas(page)).to_have_attribute("data-task", task)


def test_a_click_on_a_task_picks_it_and_one_beside_all_lets_go(page_of):
    page = page_of(TaskMap(made(3)))
    box, (x, y) = canvas(page).bounding_box(), canvas(page).evaluate(FIRST)
    canvas(page).click(position={"x": round(x * box["width"]), "y": round(y * box["height"])})
    expect(canvas(page)).to_have_attribute("data-task", "0")
    canvas(page).click(position={"x": 610, "y": 5})
    expect(canvas(page)).to_have_attribute("data-task", "-1")


def test_the_nearest_task_is_the_truly_nearest(page_of):
    run = made(4)
    page = page_of(TaskMap(run))
    canvas(page).press("ArrowRight")
    away = np.linalg.norm(run.embeddings[-1] - run.embeddings[-1][0], axis=1)
    away[0] = np.inf
    expect(said(page)).to_contain_text(f"nearest: t{away.argmin()}, truly {float(f'{away.min():.3g}'):g} away")


def test_what_there_is_to_choose_from_follows_what_tasks_are_placed_by(page_of):
    run = made(4)
    scores = TransferMatrix(np.random.default_rng(0).uniform(size=(4, 4)), "leep", *[tuple(run.task_names)] * 2)
    page = page_of(TaskMap(run, transfer=scores))
    method, sideways = page.locator(".clt-method"), page.locator(".clt-x")
    expect(method).to_be_visible()
    expect(sideways).to_be_hidden()
    choose(page, "by", "Transfer, LEEP")
    shows(page, "transfer mds 0")
    expect(method).to_be_hidden()
    choose(page, "by", "Dimensions and intervals")
    expect(sideways).to_be_visible()
    choose(page, "y", "3")
    shows(page, "dimensions 0 3 4")


def test_dimensions_have_the_stress_the_kernel_finds(page_of):
    view = TaskMap(made(5))
    view.by, view.x, view.y = "dimensions", 2, 0
    page = page_of(view)
    found = view.taskmap
    trust = f"stress {found.stress:.3f} (not to be trusted), {100 * found.variance:.0f} % of the variance"
    expect(page.locator(".clt-trust")).to_contain_text(trust)


@pytest.mark.parametrize(("half", "words"), [(5.0, "share a box in all 4"), (1e-4, "share nothing in 4 of 4")])
def test_what_boxes_share_is_hatched_and_said(page_of, half, words):
    view = TaskMap(made(3, half=half))
    view.by = "dimensions"
    page = page_of(view)
    expect(page.locator(".clt-trust")).to_contain_text(words)
    assert (canvas(page).evaluate(DARK) > 2000) == (half > 1)


def test_names_are_text_on_the_map(page_of):
    page = page_of(TaskMap(made(2, names=[EVIL, "b"])))
    canvas(page).press("ArrowRight")
    expect(said(page)).to_contain_text(EVIL)
    assert page.title() != "hit"
    assert page.locator(".clt img").count() == 0


def test_a_page_of_many_tasks_says_which_maps_it_holds(page_of):
    view = TaskMap(made(100, d=2))
    view.method, view.moment = "mds", 93
    page = page_of(view)
    held = view.content["taken"]["mds"]
    assert 93 not in held
    shows(page, f"embedding mds {max(t for t in held if t < 93)}")
    expect(page.locator(".clt-trust")).to_contain_text("This page holds the MDS maps after")
    choose(page, "method", "one plane (PCA)")
    shows(page, "embedding pca 93")


def test_play_goes_to_the_end_and_is_not_there_for_those_who_want_no_motion(page_of):
    view = TaskMap(made(3))
    page = page_of(view)
    page.get_by_role("button", name="Play").click()
    shows(page, "embedding mds 1")
    shows(page, "embedding mds 3")
    expect(page.get_by_role("button", name="Play")).to_be_visible()
    page.emulate_media(reduced_motion="reduce")
    page.reload()
    shows(page, "embedding mds 3")
    expect(page.get_by_role("button")).to_have_count(0)
