"""All views in one notebook of a real JupyterLab: every control moves the kernel and the picture, and both ways."""

import re

import numpy as np
import pytest
from made_runs import a_run
from made_views import HOSTILE, NAMES

from cltoolkit import metrics

from .pixels import are_kept, are_others, keep

sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install playwright")
expect = sync_api.expect

SETUP = """
import cltoolkit as cl
import made_views

def placed(view, /, **traits):
    with view.hold_sync():
        for name, value in traits.items():
            setattr(view, name, value)
        view.rev += 1
    return view.rev
"""
CELLS = {
    "runs": "runs = made_views.run_explorer()",
    "transfer": "transfer = made_views.transfer_explorer()",
    "map": "map = made_views.task_map()",
    "many": "many = made_views.map_of_many()",
    "intervals": "intervals = made_views.interval_explorer()",
    "masks": "masks = made_views.mask_explorer()",
    "donors": "donors = made_views.mask_donors()",
    "orders": "made = made_views.Orders(); orders = made.view()",
    "trained": "trained = made_views.board('HyperInterval', 2).start(); trained.wait()",
    "ready": "ready = made_views.board('HyperInterval', 2)",
    "running": "running = made_views.board('Finetune', 1000)",
    "broken": "broken = made_views.broken_board()",
    "both": "both = cl.widgets.link(made_views.run_explorer(), made_views.task_map())",
}
PLACES = {name: 1 + k for k, name in enumerate(CELLS)}
STATE = "(c) => c.matches('select') ? c.selectedIndex : c.type === 'checkbox' ? c.checked : c.value"
# Whether the headings of all pictures are in the color that the page has for text, which is light or is not.
WRITTEN = """(light) => [...document.querySelectorAll(".jp-Notebook canvas")].every((c) => {
    if (!c.offsetParent) return true;
    const [r, g, b, a = 1] = getComputedStyle(c).color.match(/[0-9.]+/g).map(Number), ink = [r, g, b, 255 * a];
    const { data } = c.getContext("2d").getImageData(0, 0, c.width, 40 * devicePixelRatio);
    let written = 0;
    for (let k = 0; k < data.length; k += 4) written += ink.every((x, i) => Math.abs(x - data[k + i]) < 4);
    return r > 128 === light && written > 2;
})"""


@pytest.fixture(scope="module")
def opened(notebook):
    return notebook(SETUP, *(f"{code}\n{name}" for name, code in CELLS.items()))


class Shown:
    """A view on the screen, and the same in the kernel."""

    def __init__(self, opened, name):
        self.cell, self.kernel, self.page, self.name = opened.cell(PLACES[name]), opened.kernel, opened.page, name

    def place(self, **traits):
        """Sets traits in the kernel, and returns when they are drawn."""
        rev = self.kernel.eval(f"placed({self.name}, **{traits!r})")
        expect(self.cell.locator("canvas").first).to_have_attribute("data-rev", str(rev))

    def press(self, button):
        """By key, for a click would not show that keys do it too."""
        found = self.cell.get_by_role("button", name=button, exact=True)
        expect(found).to_be_enabled()
        found.press("Enter")

    def wait(self, expression, wanted):
        self.kernel.wait(f"{self.name}.{expression}", wanted)


@pytest.fixture
def shown(opened):
    """A view by the name of its variable."""
    return lambda name: Shown(opened, name)


def select(name, trait, start, wanted, /, **others):
    return name, f"select.clt-{trait}", others | {trait: start}, ["ArrowDown"], {trait: wanted}


def canvas(name, nth, keys, wanted, /, **start):
    return name, f"canvas >> nth={nth}", start, [*keys.split(), "Enter"], wanted


CONTROLS = [
    select("runs", "run", 0, 1, other=-1),
    select("runs", "other", -1, 0, run=1),
    select("runs", "view", "history", "average"),
    select("runs", "metric", "", "acc"),
    select("runs", "dialect", "", "diaz", metric="bwt"),
    canvas("runs", 0, "ArrowDown ArrowDown ArrowRight", {"task": 1, "moment": 1}, task=-1, moment=-1),
    canvas("runs", 1, "ArrowRight ArrowRight ArrowDown", {"task": 1, "moment": 1}, task=-1, moment=-1, view="history"),
    select("transfer", "left", "h_score", "leep"),
    select("transfer", "right", "h_score", "leep"),
    select("transfer", "shown", "values", "ranks"),
    select("transfer", "order", "given", "similar"),
    select("transfer", "task", -1, 0),
    canvas("transfer", 0, "ArrowRight ArrowRight", {"task": 1}, task=-1, order="given"),
    canvas("transfer", 1, "ArrowRight ArrowRight", {"task": 1}, task=-1, order="given"),
    canvas("transfer", 2, "ArrowRight", {"task": None}, task=-1),
    select("map", "by", "embedding", "dimensions"),
    select("map", "method", "mds", "pca", by="embedding"),
    ("map", "input.clt-moment", {"by": "embedding", "moment": 4}, ["ArrowLeft"], {"moment": 3}),
    ("map", "button", {"by": "embedding", "moment": 3}, ["Enter"], {"moment": 4}),  # plays to the end
    select("map", "x", 0, 1, by="dimensions", y=2),
    select("map", "y", 1, 2, by="dimensions", x=0),
    ("map", "input.clt-near", {"by": "dimensions", "task": 0, "near": False}, ["Space"], {"near": True}),
    canvas("map", 0, "ArrowRight ArrowRight", {"task": 1}, by="embedding", task=-1),
    select("intervals", "view", "half_widths", "widths"),
    select("intervals", "task", -1, 0, view="half_widths"),
    ("intervals", "input.clt-moment", {"view": "widths", "moment": 4}, ["ArrowLeft"], {"moment": 3}),
    ("intervals", "input.clt-scale", {"view": "curves", "scale": 1.0}, ["ArrowRight"], {"scale": 1.02}),
    canvas("intervals", 0, "ArrowDown ArrowDown", {"task": 1}, view="half_widths", task=-1),
    canvas("intervals", 1, "ArrowRight ArrowDown", {"task": 1}, view="half_widths", task=-1),
    canvas("intervals", 0, "ArrowDown ArrowDown", {"task": 1}, view="widths", task=-1),
    canvas("intervals", 1, "ArrowRight ArrowDown", {"task": 1}, view="widths", task=-1),
    canvas("intervals", 0, "ArrowDown ArrowDown", {"task": 1}, view="certified", task=-1),
    canvas("intervals", 1, "ArrowRight ArrowDown", {"task": 1}, view="certified", task=-1),
    canvas("intervals", 0, "ArrowRight ArrowDown", {"scale": 0.0}, view="curves", scale=1.0),
    canvas("intervals", 0, "ArrowRight", {"example": None}, view="margins", task=0, example=-1),
    canvas("intervals", 1, "ArrowRight ArrowDown", {"example": None}, view="margins", task=0, example=-1),
    select("masks", "view", "overlap", "capacity"),
    select("masks", "measure", "excess", "share", view="overlap"),
    select("masks", "layer", "0.weight", "1.weight", view="weights"),
    ("masks", "input.clt-moment", {"view": "capacity", "moment": 4}, ["ArrowLeft"], {"moment": 3}),
    select("masks", "task", -1, 0, view="capacity"),
    select("masks", "other", -1, 0, view="overlap", task=1),
    canvas("masks", 0, "ArrowDown ArrowDown", {"task": 1, "other": 0}, view="overlap", task=-1, other=-1),
    canvas("masks", 0, "ArrowRight", {"task": 0}, view="capacity", task=-1, other=-1),
    canvas("masks", 0, "ArrowRight", {"task": None}, view="weights", task=-1, other=-1, layer="0.weight"),
    canvas("masks", 0, "ArrowRight ArrowRight", {"task": 1}, view="exclusive", task=-1, other=-1),
    canvas("donors", 0, "ArrowRight ArrowRight", {"task": 1}, view="donors", task=-1, other=-1),
    canvas("donors", 1, "ArrowRight", {"other": 0}, view="donors", task=3, other=-1),
    ("orders", "button.clt-best", {"order": [0, 1, 2]}, ["Enter"], {"order": [1, 0, 2]}),
    ("orders", "button.clt-worst", {"order": [0, 1, 2]}, ["Enter"], {"order": [2, 0, 1]}),
    ("orders", "button.clt-given", {"order": [2, 0, 1]}, ["Enter"], {"order": [0, 1, 2]}),
    select("orders", "outcome", "learned", "final"),
    ("orders", ".clt-chip >> nth=0", {"order": [0, 1, 2]}, ["End"], {"order": [1, 2, 0]}),
    ("orders", ".clt-chip >> nth=1", {"task": -1}, ["Enter"], {"task": 1}),
    canvas("orders", 0, "ArrowRight ArrowRight", {"task": 1}, task=-1, order=[0, 1, 2]),
    canvas("orders", 1, "ArrowRight", {"order": [2, 0, 1]}, order=[0, 1, 2]),
    canvas("orders", 2, "ArrowRight", {"order": None}, order=[1, 0, 2]),
    select("trained", "loss", "loss", "worst"),
    canvas("trained", 0, "ArrowRight ArrowRight", {"task": 1}, task=-1),
    canvas("trained", 2, "ArrowRight ArrowRight", {"task": 1}, task=-1),
    canvas("trained", 3, "ArrowRight ArrowDown", {"task": 1}, task=-1),
]


@pytest.mark.parametrize(("name", "selector", "start", "keys", "wanted"), CONTROLS)
def test_each_control_moves_the_kernel_and_the_picture_by_keys_and_the_kernel_moves_it_back(
    shown, name, selector, start, keys, wanted
):
    view = shown(name)
    view.place(**start)
    keep(view.cell)
    control = view.cell.locator(selector)
    state = control.evaluate(STATE)
    for key in keys:
        control.press(key)
    are_others(view.cell)
    for trait, value in wanted.items():
        if value is None:
            view.kernel.wait(f"{name}.{trait} == {start[trait]!r}", False)
        else:
            view.wait(trait, value)
    if selector.startswith("canvas"):
        control.press("Escape")  # points at nothing any more
    view.place(**start)
    assert control.evaluate(STATE) == state
    are_kept(view.cell)


def test_another_picture_has_nothing_of_what_was_pointed_at_in_the_one_before(shown):
    for name in ("runs", "intervals", "masks", "donors"):
        view = shown(name)
        for each in view.cell.locator("select.clt-view option").all_text_contents():
            for nth in (0, 1):
                canvas = view.cell.locator("canvas").nth(nth)
                if canvas.is_visible():
                    canvas.press("ArrowDown")
                    canvas.press("ArrowRight")
            view.cell.locator("select.clt-view").select_option(label=each)


# What only a kernel can do


def test_a_cell_picked_is_told_in_words_by_page_and_kernel(shown):
    view = shown("runs")
    view.place(run=0, other=-1, metric="", task=1, moment=2)
    words = view.kernel.eval("runs.alt.splitlines()[-1]")
    assert words.startswith(f"After {NAMES[1]}, task {NAMES[1]}")
    expect(view.cell.get_by_role("status")).to_have_text(words)


def test_the_kernel_answers_with_slopes(shown):
    view = shown("runs")
    view.place(run=0, other=-1, metric="bwt", dialect="")
    canvas = view.cell.locator("canvas").first
    for key in ("Shift+ArrowLeft", "Shift+ArrowDown"):
        canvas.press(key)
    assert np.isclose(metrics.explain("bwt", a_run(seed=0)).slope["gem"][4, 0], 1 / 3)
    expect(view.cell.locator(".clt-tip").first).to_contain_text("+0.10 here: +0.0333 in bwt")


def test_a_map_that_is_not_there_is_made_by_the_kernel(shown):
    view = shown("many")
    canvas = view.cell.locator("canvas")
    expect(canvas).to_have_attribute("data-shown", "embedding pca 45")
    view.cell.locator(".clt-method").select_option(label="truest distances (MDS)")
    expect(canvas).to_have_attribute("data-shown", "embedding mds 45")
    view.wait("method", "mds")
    view.kernel.eval("setattr(many, 'moment', 31)")
    expect(canvas).to_have_attribute("data-shown", "embedding mds 31")


def test_page_and_kernel_say_the_same_of_certificates(shown):
    view = shown("intervals")
    said, words = view.cell.locator(".clt-note"), view.cell.locator(".clt-words p")
    view.place(view="curves", task=0, scale=1.0)
    expect(said).to_contain_text(f"{NAMES[0]}, radii × 1: certified 0.900 ≤ attacked 0.950 ≤ clean 1.000")
    view.cell.locator("input.clt-scale").fill("1.3")
    view.wait("scale", 1.3)
    expect(words).to_contain_text("radii × 1.3: certified 0.400 ≤ attacked 0.950")
    view.place(view="margins", example=3)
    expect(said).to_contain_text("Example 3, of class ")
    expect(words).to_contain_text("Example 3, of class ")
    view.cell.locator("select.clt-task").select_option(index=2)
    view.kernel.wait("(intervals.task, intervals.example)", (1, -1))


def test_an_order_is_trained_and_what_goes_wrong_is_shown(shown):
    view = shown("orders")
    view.place(order=[1, 2, 0])
    against = view.cell.locator(".clt-at-against")
    before = view.kernel.eval("len(orders.measured.orders)")
    view.press("Run it")
    expect(against).to_have_attribute("aria-label", re.compile(f"{before + 1} orders.*this order measured"))
    view.wait("measured.orders[-1]", (1, 2, 0))
    view.kernel.eval("setattr(made, 'broken', True)")
    view.press("Run it")
    expect(view.cell.locator(".clt-problem")).to_contain_text(f"ZeroDivisionError: {HOSTILE}")
    expect(view.cell.locator(".clt-start")).to_be_enabled()
    view.kernel.wait("len(orders.measured.orders)", before + 1)


# The board


def test_start_returns_at_once_and_pause_and_stop_are_heard(shown):
    view = shown("running")
    assert view.kernel.eval("running.start() is running and running.state != 'finished'")
    view.press("Pause")
    view.wait("state", "paused")
    expect(view.cell.locator(".clt-board")).to_have_attribute("data-state", "paused")
    view.press("Stop")
    view.wait("state", "stopped")
    view.wait("run.status", "interrupted")
    expect(view.cell.get_by_role("button", name="Go on")).to_be_enabled()


def test_the_matrix_fills_task_by_task(shown):
    view = shown("ready")
    canvas = view.cell.locator("canvas").first
    before = canvas.get_attribute("data-rev")
    view.press("One step")
    view.kernel.wait("ready.state, ready.place['done']", ("paused", 1))
    expect(view.cell.locator(".clt-where")).to_contain_text(f"paused: task 1 of 3 {NAMES[0]}")
    view.press("One task")
    view.kernel.wait("ready.state, ready.place['done']", ("paused", 6))
    expect(canvas).not_to_have_attribute("data-rev", before)
    view.wait("run.num_tasks", 1)
    view.press("▶ Go on")
    view.wait("state", "finished")
    expect(view.cell.locator(".clt-board")).to_have_attribute("data-state", "finished")
    expect(view.cell.locator(".clt-where")).to_contain_text("finished: step 18 of 18")
    expect(view.cell.get_by_role("button", name="Go on")).to_be_disabled()


def test_an_error_shows_its_traceback_as_text(shown):
    view = shown("broken")
    view.press("▶ Start")
    view.wait("state", "failed")
    expect(view.cell.get_by_role("alert")).to_contain_text(f"RuntimeError: {HOSTILE}")
    view.wait("run.num_tasks", 1)
    expect(view.cell.get_by_role("button", name="Go on")).to_be_disabled()


# Together


def test_a_task_picked_in_one_of_two_linked_views_is_picked_in_the_other(shown):
    both = shown("both")
    canvas = both.cell.locator(".clt-task-map canvas")
    for key in ("ArrowRight", "ArrowRight", "Enter"):
        canvas.press(key)
    both.wait("task", 1)
    expect(both.cell.locator(".clt-run-explorer canvas").first).to_have_attribute(
        "aria-label", re.compile(f"task {re.escape(NAMES[1])}")
    )
    both.kernel.eval("setattr(both, 'task', 2)")
    expect(canvas).to_have_attribute("data-task", "2")
    expect(both.cell.locator(".clt-run-explorer").get_by_role("status")).to_contain_text(f"task {NAMES[2]}")


@pytest.mark.parametrize("theme", ["Dark", "Light"])
def test_all_pictures_are_written_in_the_ink_of_the_theme(opened, theme):
    """Whose colors are loaded after the theme has been named."""
    opened.js(
        "await window.jupyterapp.commands.execute('apputils:change-theme', { theme: argument })", f"JupyterLab {theme}"
    )
    opened.page.wait_for_function(WRITTEN, arg=theme == "Dark")
    expect(opened.page.locator("#jupyterlab-splash")).to_have_count(0)  # it takes one change of theme at a time


def test_javascript_has_a_time_limit(opened):
    assert opened.js("return argument + 1", 1) == 2
    with pytest.raises(sync_api.Error, match="took more than 10 ms"):
        opened.js("await new Promise(() => {})", limit=10)


def test_no_name_has_become_an_element(opened):
    assert HOSTILE in opened.cell(PLACES["map"]).inner_text()
    assert opened.page.title() != "hit"
    assert opened.page.locator("img[src=x]").count() == 0
