"""The base of all views in a browser: a stage with a stand-in for the model, and pages that run without a kernel."""

import base64
import json

import numpy as np
import pytest
from made_runs import HOSTILE, a_run
from made_views import EVERY

from cltoolkit import Run
from cltoolkit.widgets import RunExplorer, link
from cltoolkit.widgets._front import module, stylesheet

from .pixels import are_kept, keep

sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install playwright")
expect = sync_api.expect

# A model as a notebook has it: what is set is kept, what is saved and asked is counted.
STAGE = """
async ([code, state]) => {
  for (const array of Object.values(state.arrays))
    array.data = new DataView(Uint8Array.from(atob(array.data), (letter) => letter.charCodeAt(0)).buffer);
  const heard = new Map();
  const told = (name, ...what) => (heard.get(name) ?? []).slice().forEach((act) => act(...what));
  window.model = {
    state, told, saved: 0, asked: [],
    get: (name) => state[name],
    set(name, value) { state[name] = value; told(`change:${name}`); },
    save_changes() { this.saved += 1; },
    on(name, act) { heard.set(name, [...(heard.get(name) ?? []), act]); },
    off(name, act) { heard.set(name, (heard.get(name) ?? []).filter((each) => each !== act)); },
    send(message) { this.asked.push(message.ask); },
  };
  window.listeners = () => [...heard.values()].flat().length;
  const made = await import(URL.createObjectURL(new Blob([code], { type: "text/javascript" })));
  window.end = made.default.render({ model, el: document.querySelector("#here") });
}
"""
# What is written on the second canvas from now on, and how many pixels were in color under it.
WRITING = """() => {
  const write = CanvasRenderingContext2D.prototype.fillText;
  window.written = [];
  CanvasRenderingContext2D.prototype.fillText = function (text, x, y) {
    if (this.canvas === document.querySelectorAll("canvas")[1]) {
      const { data } = this.getImageData(x, y - 6, Math.max(1, this.measureText(text).width), 12);
      let colored = 0;
      for (let k = 0; k < data.length; k += 4) colored += Math.max(data[k], data[k + 1], data[k + 2]) > 60;
      written.push([text, colored]);
    }
    write.call(this, text, x, y);
  };
}"""
FRAME = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"


def a_view(**kwargs):
    return RunExplorer([a_run(**kwargs), a_run(**kwargs, name="Finetune")])


@pytest.fixture
def stage(page_of):
    """A view on a blank page, as a notebook shows it."""

    def shown(view, **settings):
        page = page_of(
            f"<!doctype html><style>body {{ margin: 0 }} {stylesheet()}</style><div id=here></div>", **settings
        )
        state = json.loads(json.dumps(view.state_of_page()[2])) | {"kernel": True, "answers": view.answers}
        page.evaluate(STAGE, [module(*view.front), state])
        return page

    return shown


def frames(page, nth=0):
    page.evaluate(FRAME)
    return int(page.locator("canvas").nth(nth).get_attribute("data-frame"))


def pixels(page, nth=0):
    return page.locator("canvas").nth(nth).evaluate("(c) => c.toDataURL()")


# A stage


def test_many_changes_are_drawn_once(stage):
    page = stage(a_view())
    before = frames(page)
    page.evaluate("() => { model.set('run', 1); model.set('task', 2); model.set('moment', 3); model.set('rev', 9); }")
    expect(page.locator("canvas").first).to_have_attribute("data-rev", "9")
    assert frames(page) == before + 1


def test_a_change_that_a_picture_does_not_show_does_not_draw_it(stage):
    page = stage(a_view())
    before = frames(page, 0), frames(page, 1)
    page.evaluate("() => model.set('view', 'average')")
    assert (frames(page, 0), frames(page, 1)) == (before[0], before[1] + 1)


def test_a_view_that_ends_hears_nothing_any_more(stage):
    page = stage(a_view())
    assert page.evaluate("listeners()") > 10
    page.evaluate("end()")
    assert page.evaluate("listeners()") == 0
    before = frames(page)
    page.evaluate("() => { model.set('rev', 5); document.querySelector('#here').style.width = '300px'; }")
    page.set_viewport_size({"width": 500, "height": 500})
    assert frames(page) == before


def test_what_is_chosen_is_saved_once(stage):
    page = stage(a_view())
    page.locator(".clt-other").select_option(index=2)
    assert page.evaluate("[model.state.other, model.saved]") == [1, 1]
    page.locator("canvas").first.click(position={"x": 150, "y": 120})
    assert page.evaluate("model.saved") == 2
    assert page.evaluate("model.state.task") >= 0
    assert page.evaluate("model.state.moment") >= 0


def test_controls_follow_the_kernel(stage):
    page = stage(a_view())
    page.evaluate("() => { model.set('run', 1); model.set('metric', 'bwt'); model.set('dialect', 'diaz'); }")
    expect(page.locator(".clt-run")).to_have_value("Finetune, seed 0")
    expect(page.locator(".clt-metric")).to_have_value("backward transfer")
    expect(page.locator(".clt-dialect")).to_have_value("diaz")


def test_a_question_is_asked_once_and_its_answer_shown_where_it_belongs(stage):
    page = stage(a_view())
    page.evaluate("() => model.set('metric', 'acc')")
    page.evaluate(FRAME)
    assert page.evaluate("model.asked") == [["slopes", 0, "acc", "gem"]]
    canvas = page.locator("canvas").first
    for _ in range(4):
        canvas.press("ArrowDown")
    canvas.press("ArrowDown")
    expect(page.get_by_role("status")).to_contain_text("acc uses it")
    page.evaluate(
        '() => model.told(\'msg:custom\', { about: \'["slopes",0,"acc","gem"]\', answer: [0.25, 0.25, 0.25, 0.25] })'
    )
    expect(page.locator(".clt-tip").first).to_contain_text("+0.10 here: +0.0250 in acc")
    page.evaluate("() => { model.set('task', 1); model.set('dialect', 'gem'); }")
    page.evaluate(FRAME)
    assert page.evaluate("model.asked.length") == 1


def test_an_error_of_the_kernel_is_no_error_of_the_page(stage):
    page = stage(a_view())
    page.evaluate("() => model.set('metric', 'acc')")
    page.evaluate(FRAME)
    page.evaluate("() => model.told('msg:custom', { about: JSON.stringify(model.asked[0]), error: 'no' })")
    expect(page.locator(".clt-explained")).to_contain_text("computed in a notebook")


def test_arrows_walk_enter_picks_and_escape_clears(stage):
    page = stage(a_view())
    canvas = page.locator("canvas").first
    for key in ("ArrowRight", "ArrowRight", "ArrowDown"):
        canvas.press(key)
    expect(page.get_by_role("status")).to_contain_text("after 0/1, on 2/3")
    canvas.press("Enter")
    assert page.evaluate("[model.state.task, model.state.moment]") == [1, 1]
    expect(page.get_by_role("status")).to_contain_text("it is not learned yet")
    canvas.press("ArrowLeft")  # from where it stood
    expect(page.get_by_role("status")).to_contain_text("after 0/1, on 0/1")
    canvas.press("Escape")
    assert page.evaluate("[model.state.task, model.state.moment]") == [-1, -1]
    for key in ("ArrowDown", "Shift+ArrowDown", "Shift+ArrowRight"):
        canvas.press(key)
    expect(page.get_by_role("status")).to_contain_text("after 6/7, on 6/7")


def test_other_keys_are_left_to_the_notebook(stage):
    page = stage(a_view())
    page.evaluate("() => { window.keys = []; document.addEventListener('keydown', (e) => keys.push(e.key)); }")
    for key in ("a", "ArrowDown", "Tab"):
        page.locator("canvas").first.press(key)
    assert page.evaluate("keys") == ["a", "Tab"]


def test_keys_in_a_control_are_no_commands_of_the_notebook(stage):
    page = stage(a_view())
    page.evaluate("() => { window.keys = []; document.addEventListener('keydown', (e) => keys.push(e.key)); }")
    select = page.locator(".clt-view")
    for key in ("x", "ArrowDown", "Control+s", "Tab"):
        select.press(key)
    assert page.evaluate("keys") == ["Control", "s", "Tab"]
    assert page.evaluate("model.state.view") == "average"


def test_every_control_is_reached_by_tab_and_says_what_it_is(stage):
    page = stage(a_view())
    seen = []
    for _ in range(9):
        page.keyboard.press("Tab")
        seen.append(page.evaluate("document.activeElement.className || document.activeElement.tagName"))
    assert seen == [
        "clt-run", "clt-other", "clt-view", "clt-metric", "CANVAS", "CANVAS", "SUMMARY", "SUMMARY", "BODY",
    ]  # fmt: skip
    for canvas in page.locator("canvas").all():
        expect(canvas).to_have_attribute("role", "img")
        assert len(canvas.get_attribute("aria-label")) > 10


@pytest.mark.parametrize("where", [(130, 40), (400, 40), (130, 270), (400, 270)])
def test_a_tip_stays_near_its_picture(stage, where):
    page = stage(a_view(tasks=["a name that is very long indeed", "b", "c", "d" * 60]))
    x, y = where
    page.locator("canvas").first.hover(position={"x": x, "y": y})
    tip = page.locator(".clt-tip").first
    expect(tip).to_be_visible()
    box, around = tip.bounding_box(), page.locator("canvas").first.bounding_box()
    assert box["x"] > around["x"] - 60
    assert box["x"] + box["width"] < around["x"] + around["width"] + 60
    assert around["y"] <= box["y"]
    assert box["y"] + box["height"] <= around["y"] + around["height"]
    page.mouse.move(1200, 900)
    expect(tip).to_be_hidden()


# What surrounds it


def test_a_picture_is_as_wide_as_there_is_room(stage):
    page = stage(a_view())
    canvas = page.locator("canvas").first
    wide = canvas.bounding_box()["width"]
    page.set_viewport_size({"width": 300, "height": 800})
    expect(canvas).to_have_css("width", "300px")
    assert not page.evaluate("document.documentElement.scrollWidth > 300")
    page.set_viewport_size({"width": 1200, "height": 800})
    expect(canvas).to_have_css("width", f"{wide:g}px")
    page.evaluate(FRAME)
    assert canvas.evaluate("(c) => c.getContext('2d').getImageData(0, 0, c.width, c.height).data.some((x) => x)")


@pytest.mark.parametrize("made", EVERY)
def test_a_picture_that_has_less_room_is_the_one_that_is_drawn_for_it(stage, made):
    page = stage(made())
    page.set_viewport_size({"width": 360, "height": 2000})
    expect(page.locator("canvas").first).to_have_css("width", "360px")
    keep(page.locator("body"))
    page.evaluate("() => model.set('rev', 99)")
    expect(page.locator("canvas").first).to_have_attribute("data-rev", "99")
    are_kept(page.locator("body"))


def test_names_of_lines_stand_where_no_line_is(stage):
    """Here a line runs through each corner."""
    page = stage(
        RunExplorer(Run(np.tile([0.04, 0.96], (3, 1)), {"sequence": {"tasks": [{"name": "a"}, {"name": "b"}]}}))
    )
    page.evaluate(WRITING)
    page.evaluate("() => model.set('rev', 99)")
    page.evaluate(FRAME)
    names = page.evaluate("window.written.filter(([text]) => text === 'a' || text === 'b')")
    assert sorted(name for name, *_ in names) == ["a", "b"]
    assert all(colored == 0 for _, colored in names)


def test_a_picture_is_as_sharp_as_the_screen(stage):
    page = stage(a_view())
    canvas = page.locator("canvas").first
    size = canvas.evaluate("(c) => [c.width, c.height]")
    session = page.context.new_cdp_session(page)
    session.send(
        "Emulation.setDeviceMetricsOverride", {"width": 1280, "height": 1600, "deviceScaleFactor": 2, "mobile": False}
    )
    page.evaluate("dispatchEvent(new Event('resize'))")  # as a zoom has it; the emulation tells nobody
    page.wait_for_function(f"() => document.querySelector('canvas').width === {2 * size[0]}")
    page.evaluate(FRAME)
    assert canvas.evaluate("(c) => c.getContext('2d').getImageData(0, 0, c.width, c.height).data.some((x) => x)")
    session.detach()  # the tab is shared


def test_a_picture_takes_on_the_colors_of_the_page(page_of):
    page = page_of(a_view())
    light = pixels(page)
    page.emulate_media(color_scheme="dark")
    page.wait_for_function("(light) => document.querySelector('canvas').toDataURL() !== light", arg=light)
    page.emulate_media(color_scheme="light")
    page.wait_for_function("(light) => document.querySelector('canvas').toDataURL() === light", arg=light)
    assert pixels(page_of(a_view(), dark=True)) != light


def test_a_picture_follows_the_theme_of_the_notebook_whenever_its_colors_come(stage):
    page = stage(a_view())
    light = pixels(page)
    page.evaluate("() => document.body.style.setProperty('--jp-content-font-color1', '#eee')")
    page.wait_for_function("(light) => document.querySelector('canvas').toDataURL() !== light", arg=light)
    page.evaluate("() => document.body.style.removeProperty('--jp-content-font-color1')")
    page.wait_for_function("(light) => document.querySelector('canvas').toDataURL() === light", arg=light)


def test_a_picture_follows_a_theme_that_comes_while_it_is_hidden(stage):
    """As JupyterLab changes its theme, behind a curtain."""
    page = stage(a_view())
    light = pixels(page)
    page.evaluate(
        """async () => {
          const { style } = document.body, frame = () => new Promise((done) => requestAnimationFrame(done));
          style.setProperty("--jp-content-font-color1", "#888");
          getComputedStyle(document.querySelector(".clt")).color;
          style.display = "none";
          style.setProperty("--jp-content-font-color1", "#eee");
          await frame();
          style.display = "";
        }"""
    )
    page.wait_for_function("(light) => document.querySelector('canvas').toDataURL() !== light", arg=light)
    drawn = pixels(page)
    page.evaluate("() => { model.set('rev', 9); }")
    page.evaluate(FRAME)
    assert pixels(page) == drawn


# Any Run


@pytest.mark.parametrize("T", [1, 2, 20, 200])
def test_any_number_of_tasks_is_drawn(page_of, T):
    view = RunExplorer(a_run(T, steps=3, evaluated=2))
    page = page_of(view)
    for name in ("average", "curves", "anytime", "history"):
        page.locator(".clt-view").select_option(index=["history", "average", "curves", "anytime"].index(name))
        page.evaluate(FRAME)
    page.locator(".clt-metric").select_option(label="backward transfer")
    page.locator("canvas").first.click(position={"x": 150, "y": 100})
    expect(page.get_by_role("status")).to_contain_text("task ")
    assert page.evaluate("document.querySelectorAll('canvas').length") == 2


def test_what_is_unknown_and_what_is_beyond_is_drawn(page_of):
    run = a_run(4)
    run.accuracy[1:3] = np.nan
    run.accuracy[3] = [-4.0, 3.0, 1e30, 0.5]
    page = page_of(RunExplorer(run))
    canvas = page.locator("canvas").first
    for _ in range(3):
        canvas.press("ArrowDown")
    expect(page.get_by_role("status")).to_contain_text("after 2/3, on 0/1: ×")
    canvas.press("ArrowDown")
    expect(page.get_by_role("status")).to_contain_text("−4.000")


# Pages


def test_no_name_runs_anything_and_all_are_read_as_they_are(page_of):
    runs = [a_run(5, tasks=HOSTILE, name=name, steps=3, evaluated=1) for name in HOSTILE[:4]]
    page = page_of(RunExplorer(runs), RunExplorer(runs[0]))
    title = page.title()
    explorer = page.locator(".clt-run-explorer").first
    for trait, count in (("run", 4), ("other", 5), ("view", 4), ("metric", 5)):
        for index in range(count):
            explorer.locator(f".clt-{trait}").select_option(index=index)
            page.evaluate(FRAME)
    canvas = explorer.locator("canvas").first
    for j, name in enumerate(HOSTILE):
        canvas.press("ArrowRight")
        if j == 0:
            canvas.press("ArrowDown")
        canvas.press("Enter")
        expect(explorer.get_by_role("status")).to_contain_text(name)
    assert explorer.locator(".clt-run").evaluate("(s) => [...s.options].map((o) => o.textContent)") == [
        f"{name}, seed 0" for name in HOSTILE[:4]
    ]
    assert page.title() == title == f"{HOSTILE[0]}, seed 0 and 3 more · {HOSTILE[0]}, seed 0"
    assert page.locator("img, b, iframe, object, script:not([type])").count() == 0


def test_a_page_runs_nothing_but_its_own_script(page_of):
    page = page_of(a_view())
    page.evaluate(
        "() => { const s = document.createElement('script'); s.textContent = 'hit = 1'; document.body.append(s); }"
    )
    assert page.evaluate("window.hit") is None
    assert any("Content Security Policy" in problem for problem in page_of.problems)
    page_of.problems.clear()


def test_a_task_picked_in_one_is_picked_in_all_on_a_page(page_of):
    page = page_of(a_view(seed=1), a_view(seed=2), a_view(seed=3))
    page.locator("canvas").nth(2).click(position={"x": 150, "y": 120})
    said = [each.text_content() for each in page.get_by_role("status").all()]
    assert len(said) == 3
    page.evaluate(FRAME)
    tasks = {text.partition("task ")[2].partition(":")[0] for text in page.get_by_role("status").all_text_contents()}
    assert len(tasks) == 1
    assert tasks != {""}


def test_views_let_go_go_their_own_way_on_a_page_too(page_of):
    both = link(a_view(seed=1), a_view(seed=2))
    both.unlink()
    page = page_of(both.to_html())
    page.locator("canvas").first.click(position={"x": 150, "y": 120})
    page.evaluate(FRAME)
    first, second = page.get_by_role("status").all_text_contents()
    assert first
    assert not second


def test_an_array_reaches_the_page_to_the_bit(page_of):
    view = a_view()
    page = page_of(view)
    held = page.evaluate(
        "JSON.parse(document.querySelector('script[type=\"application/json\"]').textContent).arrays.accuracy"
    )
    assert np.array_equal(
        np.frombuffer(base64.b64decode(held["data"]), "<f4").reshape(held["shape"]),
        np.stack([run.accuracy for run in view.runs]).astype("<f4"),
    )
