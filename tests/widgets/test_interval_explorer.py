"""IntervalExplorer: what it shows is what the record holds, and no certificate is stretched."""

import base64
import json
import re
import time

import numpy as np
import pytest
import torch
import traitlets
from hypothesis import given, settings
from hypothesis import strategies as st
from made_interval_views import HOSTILE, SCALES, certificate, certified, curves, digits, run, trained
from numpy.testing import assert_allclose, assert_array_equal

import cltoolkit as cl
from cltoolkit.tasks import Examples, Task, TaskSequence
from cltoolkit.widgets import IntervalExplorer, link
from cltoolkit.widgets._interval_ledger import ledger
from cltoolkit.widgets._interval_pictures import LEAST, MOST, ROOM, SIDE, behind, chosen
from cltoolkit.widgets._interval_words import curve_sentence, vacuous

VIEWS = ["half_widths", "widths", "layers", "curves", "margins", "certified"]


@pytest.fixture
def view():
    return IntervalExplorer(**certified("HyperInterval"))


def numbers(view, name):
    held = view.arrays[name]
    return np.frombuffer(held["data"], "<f4").reshape(held["shape"])


def held_by(page):
    """The state that a page holds."""
    return json.loads(re.search(r'data-at="view-0">(.*?)</script>', page, re.DOTALL)[1])


def pictured(shape, n=8, *, count=1):
    """A sequence of images, or of features, that are all different."""
    x = torch.arange(n * int(np.prod(shape)), dtype=torch.float32).reshape(n, *shape)
    data = Examples(x, torch.arange(n) % 2)
    return TaskSequence([Task(f"digits {t}", data, data, classes=("cat", "dog")) for t in range(count)], name="made")


# What is offered


def test_hyper_interval_with_everything_has_every_view(view):
    assert view.offered == VIEWS
    assert view.content["missing"] == ""


def test_intercontinet_has_no_embeddings_and_the_view_says_so():
    view = IntervalExplorer(**certified("InterContiNet"))
    assert view.offered == VIEWS[1:]
    assert "half-widths of embeddings (needs a Run of HyperInterval)" in view.content["missing"]
    with pytest.raises(traitlets.TraitError, match="half-widths of embeddings needs a Run of HyperInterval"):
        view.view = "half_widths"


def test_a_run_alone_has_what_it_kept():
    assert IntervalExplorer(trained("HyperInterval")[1]).offered == ["half_widths", "widths", "certified"]


def test_a_run_without_intervals_is_told_how_to_get_them():
    bare = cl.Run(np.array([[0.5], [0.9]]), {"learner": {"name": "Finetune"}})
    with pytest.raises(ValueError, match="train HyperInterval or InterContiNet") as error:
        IntervalExplorer(bare)
    assert "cl.intervals.accuracy_curves(learner.net, learner.bounds(t), sequence[t].test" in str(error.value)
    assert IntervalExplorer(bare, curves={0: curves()}).offered == ["curves"]
    assert IntervalExplorer(bare, certificates=[certificate()]).offered == ["layers", "margins"]
    assert IntervalExplorer(bare, certificates=[certificate(layers=0)]).offered == ["margins"]


@pytest.mark.parametrize(
    ("given", "kind", "message"),
    [
        ({"curves": {4: curves()}}, ValueError, "curves of the tasks 0 to 3; got some of task 4"),
        ({"curves": {0: None}}, TypeError, "AccuracyCurves for task 0; got NoneType"),
        ({"certificates": [certificate(7)]}, ValueError, "tasks 0 to 3; got one of task 7"),
        ({"certificates": [certificate(1), certificate(1)]}, ValueError, "got two of task 1"),
        ({"certificates": [certificate(1, name="digits 2")]}, ValueError, "is of 'digits 2', and task 1"),
        ({"certificates": ["x"]}, TypeError, "Certificates; got str"),
        ({"sequence": pictured((1, 2, 2))}, ValueError, "the sequence that the Run was trained on"),
    ],
)
def test_what_belongs_elsewhere_is_refused(given, kind, message):
    with pytest.raises(kind, match=re.escape(message)):
        IntervalExplorer(run(), **given)


def test_what_is_no_run_is_refused():
    with pytest.raises(TypeError, match="expected a Run"):
        IntervalExplorer("runs/x")


# Numbers


def test_series_reach_the_page_as_they_are(view):
    series = view.ledger.run.series
    for name in ("half_widths", "width", "collapsed", "certified", "certified_by_drift", "radius"):
        assert_allclose(numbers(view, f"series/{name}"), series[name], rtol=1e-6)
    assert_allclose(numbers(view, "clean"), view.ledger.run.accuracy[1:], rtol=1e-6)


def test_half_widths_of_a_task_sum_to_its_radius_and_the_words_say_both(view):
    series = view.ledger.run.series
    assert_allclose(np.nansum(series["half_widths"][-1], 1), series["radius"][-1, :, 0], rtol=1e-5)
    view.task = 1
    total = f"{series['radius'][-1, 1, 0]:.3g}"
    assert f"Those of 2/3 sum to {total} (γ = {total})" in view.alt_text


def test_a_certificates_share_is_what_the_run_kept(view):
    for t, each in enumerate(certified("HyperInterval")["certificates"]):
        assert_allclose(view.ledger.series["certified"][-1, t, 0], each.certified)
        assert view.content["certificates"][t]["failing"] == each.n - round(each.n * each.certified)


def test_the_words_follow_the_moment(view):
    view.moment, view.task = 2, 2
    for name in ("half_widths", "widths", "certified"):
        view.view = name
        assert "after 2 tasks" in view.alt_text
        assert "4/5 is not learned yet." in view.alt_text


# Certificates between the points of a grid


@st.composite
def grids(draw):
    scales = np.cumsum(draw(st.lists(st.floats(0.01, 2), min_size=2, max_size=6)))
    levels = sorted(draw(st.lists(st.floats(0, 1), min_size=len(scales), max_size=len(scales))), reverse=True)
    return curves(levels, np.sqrt(levels), scales=scales)


@settings(max_examples=25)
@given(grids(), st.floats(0, 1))
def test_a_certificate_holds_at_the_next_larger_scale_and_an_attack_at_the_last_smaller(each, share):
    held = ledger(run(), {0: each}, (), None)
    scale = share * float(each.scales[-1])
    found, attacked, clean = held.at(0, scale)
    assert found == each.certified[each.scales >= scale][0]
    assert found <= np.interp(scale, each.scales, each.certified) + 1e-12  # never stretched
    below = each.attacked[each.scales <= scale]
    assert (attacked == below[-1]) if len(below) else np.isnan(attacked)
    assert clean == each.clean


def test_the_still_picture_has_the_scales_and_no_more():
    """Its steps are those of `plots.certified_by_radius`."""
    view = IntervalExplorer(run(), curves={0: curves()})
    view.view = "curves"
    line = view.figure().axes[0].lines[1]
    assert_array_equal([line.get_xdata(), line.get_ydata()], [curves().scales, curves().attacked])


def test_a_certificate_goes_by_the_name_of_the_runs_task():
    """Its own may be no more than the number that it was asked with."""
    view = IntervalExplorer(run(), certificates=[certificate(1, name="task 1")])
    view.view = "margins"
    assert [label.get_text() for label in view.figure().axes[0].get_yticklabels()] == [view.task_names[1]]


def test_words_and_page_say_on_which_examples_accuracy_was_measured(view):
    """Certificates without data are about those that the learner sees itself."""
    view.view = "certified"
    assert view.content["watched"] == "validation"
    assert re.search(r"certified \S+, on test examples; certified without data \S+, on validation ex", view.alt_text)


def test_three_numbers_stand_in_a_row():
    held = ledger(run(), {0: curves()}, (), None)
    said = curve_sentence(held, 0, 0.5)
    assert said == "digits 0, radii × 0.5: certified 0.900 ≤ attacked 1.000 ≤ clean 1.000."
    held = ledger(run(), {0: curves(attacked=[np.nan] * 3)}, (), None)
    assert curve_sentence(held, 0, 1.0) == "digits 0, radii × 1: certified 0.900 ≤ clean 1.000 (no attack)."
    held = ledger(run(), {0: curves((1.0, 0.99, 0.4))}, (), None)
    assert "certified 0.990 > attacked 0.950" in curve_sentence(held, 0, 1.0)  # what cannot be is not hidden


@pytest.mark.parametrize(
    ("each", "scale", "why"),
    [
        (curves((1.0, 0.9, 0.0)), 1.5, "no example is certified"),
        (curves((1.0, 0.9, 0.4)), 1.5, "below chance, 0.500"),
        (curves(width=1e-9), 0.5, "narrower than 1e-8"),
        (curves(), 0.0, "narrower than 1e-8"),
        (curves(), 2.5, "nothing was certified beyond the scale 2"),
    ],
)
def test_what_says_nothing_is_called_vacuous(each, scale, why):
    held = ledger(run(), {0: each, 1: curves(scales=(0, 1, 5))}, (), None)
    assert vacuous(held, 0, scale).startswith("VACUOUS: ")
    assert why in curve_sentence(held, 0, scale)


def test_what_says_something_is_not_called_vacuous():
    assert vacuous(ledger(run(), {0: curves()}, (), None), 0, 1.0) == ""


def test_chance_is_of_all_classes_where_they_are_told_apart_across_tasks():
    made = run(3)
    made.config["sequence"]["scenario"] = "class"
    for t, task in enumerate(made.config["sequence"]["tasks"]):
        task["outputs"] = [2 * t, 2 * t + 1]
    assert_allclose(ledger(made, None, (), None).chance, 1 / 6)


def test_real_curves_are_in_order(view):
    view.view = "curves"
    for scale in (*SCALES, 0.7, 3.0):
        view.scale = scale
        found, attacked, clean = view.ledger.at(0, scale)
        assert found <= attacked <= clean
        assert " > " not in view.alt_text


# Margins, and the examples behind them


def test_each_picture_is_of_the_example_whose_margin_stands_beside_it(view):
    (learner, _), sequence = trained("HyperInterval"), digits()
    pixels = np.frombuffer(view.arrays["pixels"]["data"], np.uint8)
    for t, about in enumerate(view.content["certificates"]):
        rows = numbers(view, f"margins/{t}")
        for row in rows[rows[:, 4] >= 0][::9]:
            example, q = int(row[2]), int(row[4])
            x, y = sequence[t].test.take(torch.tensor([example]))
            alone = cl.intervals.certify(learner, sequence[t].test.subset(torch.tensor([example])), t)
            assert_allclose(row[1], alone.margins[0], rtol=1e-5)  # the margin is this example's
            assert row[3] == alone.correct[0]
            assert about["classes"][int(row[5])] == str(sequence[t].classes[int(y)])
            size = int(np.prod(about["size"]))
            shown = pixels[about["start"] + q * size : about["start"] + (q + 1) * size].reshape(8, 8)
            ink = (x[0, 0] / x.max()).numpy()
            assert_allclose(shown, 255 * (1 - ink), atol=0.51)  # dark ink on light ground


def test_margins_are_sorted_and_all_of_a_few_are_shown():
    view = IntervalExplorer(run(), certificates=[certificate(n=40)])
    rows = numbers(view, "margins/0")
    assert_array_equal(rows[:, 0], np.arange(40))
    assert (np.diff(rows[:, 1]) >= 0).all()
    assert_array_equal(np.sort(rows[:, 2]), np.arange(40))
    assert ((rows[:, 1] > 0) == (rows[:, 0] >= view.content["certificates"][0]["failing"])).all()


@settings(max_examples=25)
@given(st.integers(1, 400), st.integers(0, 400), st.integers(LEAST, MOST))
def test_what_is_shown_are_ends_and_the_border(n, failing, most):
    failing = min(n, failing)
    ranks = chosen(n, failing, most)
    assert (np.diff(ranks) > 0).all()
    assert len(ranks) == min(n, most - most % 3 if n > most else most)
    assert {0, n - 1, min(failing, n - 1), max(failing - 1, 0)} <= set(ranks.tolist())


@pytest.mark.parametrize(
    ("shape", "size"), [((3, 5, 4), [5, 4, 3]), ((6, 4), [6, 4, 1]), ((1, 128, 64), [SIDE, SIDE // 2, 1])]
)
def test_pictures_are_grey_or_in_color_and_small(shape, size):
    given = {"certificates": [certificate(n=8)], "sequence": pictured(shape)}
    view = IntervalExplorer(run(1), **given)
    assert view.content["certificates"][0]["size"] == size
    rows = numbers(view, "margins/0")
    assert view.content["certificates"][0]["classes"] == ["cat", "dog"]
    assert_array_equal(rows[:, 5], rows[:, 2] % 2)
    pixels = np.frombuffer(view.arrays["pixels"]["data"], np.uint8).reshape(8, -1)
    assert (pixels.min(), pixels.max()) == (0, 255)
    assert view.figure().axes


def test_features_have_no_pictures_but_labels():
    view = IntervalExplorer(run(1), certificates=[certificate(n=8)], sequence=pictured((6,)))
    about = view.content["certificates"][0]
    assert (about["start"], about["classes"]) == (-1, ["cat", "dog"])
    assert "shape (6,) are no images" in about["why"]


def test_of_other_examples_no_picture_is_shown():
    view = IntervalExplorer(run(1), certificates=[certificate(n=9)], sequence=pictured((1, 2, 2)))
    about = view.content["certificates"][0]
    assert (about["start"], about["classes"]) == (-1, [])
    assert "about 9 examples and the test part has 8" in about["why"]


def test_many_pictures_are_fewer_of_each_task():
    count = 30
    held = {t: certificate(t, n=100) for t in range(count)}
    found = behind(held, pictured((3, 64, 64), n=100, count=count))
    sizes = [each.pixels.shape[0] for each in found.values()]
    assert LEAST <= max(sizes) < MOST
    assert sum(each.pixels.size for each in found.values()) <= ROOM


def test_margins_that_are_no_numbers_are_not_certified():
    values = [np.nan, -np.inf, -1.0, 0.0, 2.0, np.inf]
    view = IntervalExplorer(run(), certificates=[certificate(margins=values)])
    assert view.content["certificates"][0]["failing"] == 4
    view.view = "margins"
    assert "2 of 6 examples are certified (0.333)" in view.alt_text
    assert held_by(view.to_html())["content"]["certificates"][0]["n"] == 6


def test_an_example_is_named_with_its_margin_and_another_task_has_others(view):
    view.view, view.task = "margins", 1
    view.example = 5
    assert "Example 5, of class " in view.alt_text
    view.task = 0
    assert view.example == -1
    with pytest.raises(traitlets.TraitError, match="example"):
        view.example = 10_000


# State


def test_a_task_without_a_certificate_shows_the_first_that_has_one():
    view = IntervalExplorer(run(), certificates=[certificate(2)], curves={1: curves()})
    view.task = 3
    for name, shown in (("layers", "digits 2"), ("margins", "digits 2"), ("curves", "digits 1")):
        view.view = name
        assert view.alt_text.startswith(shown)
        assert view.figure().axes


@pytest.mark.parametrize(
    ("trait", "value"), [("moment", 0), ("moment", 5), ("scale", -1.0), ("scale", 9.0), ("task", 4)]
)
def test_what_is_out_of_reach_is_refused_in_words(trait, value):
    view = IntervalExplorer(run(), curves={0: curves()})
    with pytest.raises(traitlets.TraitError, match="expected"):
        setattr(view, trait, value)


def test_the_front_end_moves_the_words(comms):
    view = IntervalExplorer(run(), curves={0: curves()})
    view.comm.set(view="curves", scale=1.5)
    assert view.alt.startswith("digits 0, radii × 1.5: certified 0.400 ≤ attacked 0.950")


def test_of_an_interrupted_run_what_was_learned_is_shown():
    made = run(4)
    for values in made.series.values():
        values[2:] = np.nan
    made.accuracy[3:] = np.nan
    view = IntervalExplorer(made)
    assert view.moment == 2
    for name in view.offered:
        view.view = name
        assert "after 2 tasks" in view.alt_text
        view.figure()


def test_linked_views_share_the_task(view):
    other = IntervalExplorer(certified("InterContiNet")["run"])
    both = link(view, other)
    other.task = 2
    assert view.task == both.task == 2


# What others see


@pytest.mark.parametrize("name", VIEWS)
@pytest.mark.parametrize("task", [-1, 1])
def test_every_view_has_a_still_picture_and_words(view, name, task):
    view.view, view.task, view.moment = name, task, 2
    assert cl.plots.alt_text(view.figure())
    assert re.search(r"\d", view.alt_text)
    data, metadata = view._repr_mimebundle_()
    assert base64.b64decode(data["image/png"]).startswith(b"\x89PNG")
    assert data["text/plain"] == repr(view) == "IntervalExplorer(Intervals of HyperInterval, seed 0)"
    assert metadata["image/png"]["alt"] == view.alt_text


def test_the_rule_of_the_still_picture_stands_at_the_scale(view):
    view.view, view.scale = "curves", 2.0
    (ax,) = view.figure().axes
    assert any(set(np.atleast_1d(line.get_xdata())) == {2.0} for line in ax.lines)


def test_the_page_asks_for_nothing_and_runs_no_name():
    made = run(3, name=HOSTILE + "{}")
    page = IntervalExplorer(made, certificates=[certificate(name=HOSTILE)], curves={0: curves()}).to_html()
    assert not re.search("https?:", page)
    assert "<img" not in page
    assert (
        HOSTILE in json.loads(re.search(r'data-at="view-0">(.*?)</script>', page, re.DOTALL)[1])["content"]["tasks"][0]
    )


def test_two_hundred_tasks_answer_at_once():
    T = 200
    start = time.perf_counter()
    held = {t: curves() for t in range(T)}
    view = IntervalExplorer(run(T, d=32), curves=held, certificates=[certificate(t, n=500) for t in range(T)])
    assert time.perf_counter() - start < 10
    times = []
    for name in VIEWS:
        for task in (7, 120):
            start = time.perf_counter()
            view.view, view.task = name, task
            times.append(time.perf_counter() - start)
    assert np.median(times) < 0.25
