"""RunExplorer in a browser, as a page without a kernel."""

import pytest
from made_runs import a_run

from cltoolkit import metrics
from cltoolkit.widgets import RunExplorer

sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install playwright")
expect = sync_api.expect

RUNS = [a_run(seed=seed, steps=20, evaluated=3) for seed in range(2)]
FRAME = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"


@pytest.fixture
def shown(page_of):
    return page_of(RunExplorer(RUNS))


ORANGE = """(c) => {
  const d = c.getContext("2d").getImageData(0, 0, c.width, c.height).data;
  let count = 0;
  for (let k = 0; k < d.length; k += 4) count += d[k] === 213 && d[k + 1] === 94 && d[k + 2] === 0;
  return count;
}"""


def spoken(x, form=".4f"):
    return f"{x:{form}}".replace("-", "−")


def walk(page, row, column):
    """To a cell of the matrix, by keys."""
    canvas = page.locator("canvas").first
    canvas.press("ArrowDown")  # to the first cell
    for key in ["ArrowDown"] * row + ["ArrowRight"] * column:
        canvas.press(key)
    return canvas


def test_a_cell_says_what_became_of_its_task(shown):
    walk(shown, 4, 0).press("Enter")
    a = RUNS[0].accuracy
    since = spoken(a[4, 0] - a[1, 0], "+.2f")
    said = f"After 6/7, task 0/1: {a[4, 0]:.2f}; right after it was learned {a[1, 0]:.2f}: {since}."
    expect(shown.get_by_role("status")).to_have_text(said)
    expect(shown.locator("canvas").first).to_have_attribute(
        "aria-label", f"Accuracy matrix, 5 moments by 4 tasks. {RunExplorer(RUNS).alt_text} {said}"
    )


def test_the_keys_begin_at_the_picked_cell(page_of):
    view = RunExplorer(RUNS)
    view.task, view.moment = 2, 3
    page = page_of(view)
    page.locator("canvas").first.press("ArrowDown")
    expect(page.locator(".clt-tip").first).to_contain_text("after 4/5, on 4/5")


def test_a_metric_shows_its_value_formula_and_cells(shown):
    shown.locator(".clt-metric").select_option(label="forgetting")
    panel = shown.locator(".clt-explained")
    explained = metrics.explain("forgetting", RUNS[0])
    for k, dialect in enumerate(explained.value):
        shown.locator(".clt-dialect").select_option(index=k)
        for said in (f"forgetting ({dialect})", spoken(explained.value[dialect]), explained.formula[dialect]):
            expect(panel).to_contain_text(said)
        expect(panel).to_contain_text(
            f"lower is better; difference of fractions; from {explained.cells[dialect].sum()} of 20 cells"
        )
        expect(panel).to_contain_text(explained.note)
    shown.locator(".clt-metric").select_option(label="none")
    expect(panel).to_be_hidden()


def test_a_doubtful_metric_says_so(page_of):
    run = a_run()
    run.config["sequence"]["scenario"] = "class"
    page = page_of(RunExplorer(run))
    page.locator(".clt-metric").select_option(label="forward transfer")
    expect(page.locator(".clt-explained")).to_contain_text(f"Warning: {metrics.explain('fwt', run).warning}")


def test_a_lit_cell_says_what_a_change_of_it_does(shown):
    shown.locator(".clt-metric").select_option(label="backward transfer")
    slope = metrics.explain("bwt", RUNS[0]).slope["gem"]
    walk(shown, 4, 1)
    expect(shown.get_by_role("status")).to_contain_text(f"+0.10 here: {spoken(slope[4, 1] / 10, '+.4f')} in bwt")
    shown.locator("canvas").first.press("ArrowRight")
    shown.locator("canvas").first.press("ArrowRight")
    expect(shown.get_by_role("status")).to_contain_text("bwt does not depend on it")


def test_a_page_of_many_tasks_says_what_it_does_not_hold(page_of):
    page = page_of(RunExplorer(a_run(30)))
    page.locator(".clt-metric").select_option(label="average accuracy")
    expect(page.locator(".clt-explained")).to_contain_text("What a change of one cell does is computed in a notebook.")


def test_lit_cells_stand_out(shown):
    """The color of the frame is on the canvas only then."""
    canvas = shown.locator("canvas").first
    assert canvas.evaluate(ORANGE) == 0
    shown.locator(".clt-metric").select_option(label="learning accuracy")
    shown.evaluate(FRAME)
    assert canvas.evaluate(ORANGE) > 100


def test_two_runs_side_by_side(shown):
    shown.locator(".clt-other").select_option(index=2)
    walk(shown, 2, 1)
    own, other = (run.accuracy[2, 1] for run in RUNS)
    expect(shown.get_by_role("status")).to_contain_text(
        f"HyperNet, seed 1: {other:.3f}; difference {spoken(own - other, '+.3f')}"
    )
    values = [metrics.table(run)["bwt"] for run in RUNS]
    row = shown.locator(".clt-metrics tr", has_text="backward transfer (gem)")
    expect(row.locator("td")).to_have_text(
        [spoken(values[0]), spoken(values[1]), spoken(values[0] - values[1], "+.4f"), "higher"]
    )
    expect(shown.locator(".clt-metrics")).to_have_attribute("open", "")
    shown.locator(".clt-metric").select_option(label="backward transfer")
    expect(shown.locator(".clt-explained")).to_contain_text(f"difference {spoken(values[0] - values[1], '+.4f')}")


@pytest.mark.parametrize(
    ("view", "said"),
    [
        ("average", "seen so far, 2 lines"),
        ("curves", "Losses, on a logarithmic axis, 2 lines"),
        ("anytime", "during training, 4 lines"),
    ],
)
def test_another_picture_beside_the_matrix(shown, view, said):
    beside = shown.locator("canvas").nth(1)
    before = beside.evaluate("(c) => c.toDataURL()")
    shown.locator(".clt-view").select_option(index=["history", "average", "curves", "anytime"].index(view))
    shown.evaluate(FRAME)
    assert beside.evaluate("(c) => c.toDataURL()") != before
    assert said in beside.get_attribute("aria-label")


@pytest.mark.parametrize(("index", "said"), [(2, "log_every"), (3, "eval_every")])
def test_a_picture_that_a_run_cannot_have_says_what_it_needs(page_of, index, said):
    page = page_of(RunExplorer(a_run()))
    page.locator(".clt-view").select_option(index=index)
    page.evaluate(FRAME)
    assert said in page.locator("canvas").nth(1).get_attribute("aria-label")


def test_a_point_of_a_line_picks_its_task_and_moment(shown):
    beside = shown.locator("canvas").nth(1)
    for key in ("ArrowRight", "ArrowRight", "ArrowRight", "ArrowDown", "Enter"):
        beside.press(key)
    expect(shown.get_by_role("status")).to_contain_text("After 2/3, task 2/3")
