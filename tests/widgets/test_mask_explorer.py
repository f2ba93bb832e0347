"""MaskExplorer: what it says is what the masks are, and it offers only what there is."""

import base64
import json
import re
import time

import made_masks
import numpy as np
import pytest
import tiny
import torch
import traitlets
from made_mask_views import HOSTILE, kernels, learner, run

import cltoolkit as cl
from cltoolkit.masks import Masks, exclusive_masks, owners
from cltoolkit.widgets import MaskExplorer
from cltoolkit.widgets._mask_cells import cells
from cltoolkit.widgets._mask_ledger import ledger


@pytest.fixture(scope="module")
def masked():
    return learner()


@pytest.fixture
def view(masked):
    return MaskExplorer(masked, names=["a", "b", "c", "d"])


def numbers(view, name):
    held = view.arrays[name]
    return np.frombuffer(held["data"], "<f4").reshape(held["shape"])


# What is offered


def test_a_learner_has_everything_but_donors_that_nobody_asked_for(view):
    assert view.offered == ["overlap", "capacity", "weights", "exclusive"]
    assert "initializer" in view.alt_text


def test_a_run_has_everything_but_single_weights_and_says_why():
    view = MaskExplorer(run())
    assert view.offered == ["overlap", "capacity", "donors", "exclusive"]
    assert "a Run keeps counts" in view.content["missing"][0]
    with pytest.raises(traitlets.TraitError, match="a Run keeps counts"):
        view.view = "weights"


def test_one_mask_is_compared_with_none():
    view = MaskExplorer(learner(1))
    assert view.offered == ["capacity", "weights"]
    assert view.view == "capacity"
    view.figure()


# The numbers


def test_what_is_counted_is_what_the_masks_hold(masked, view):
    masks, held = masked.masks, ledger(masked, None)
    inside = torch.stack(list(masks)).double()
    assert np.array_equal(held.shared, (inside @ inside.T).numpy())
    assert np.array_equal(numbers(view, "exclusive"), exclusive_masks(masks).counts().numpy())
    assert np.allclose(held.by_chance, cl.masks.overlap(masks, normalize=False).numpy() - chance_free(masks))


def chance_free(masks):
    return cl.masks.overlap(masks, normalize=False, chance=True).numpy()


def test_a_run_and_its_learner_say_the_same():
    tasks, kkt = tiny.sequence(3), {"initializer": {"neighbors": 3, "fraction": 1.0}}
    trained = tiny.learner("SupSup", **kkt)
    record = cl.train(trained, tasks, epochs=2, progress=False)
    ours, theirs = ledger(trained, [task.name for task in tasks]), ledger(record, None)
    for name in ("kept", "exclusive", "sizes", "shared", "donor", "scores", "levels"):
        assert np.array_equal(getattr(ours, name), getattr(theirs, name), equal_nan=True), name
    view = MaskExplorer(trained, names=ours.names)
    assert "donors" in view.offered
    view.view = "donors"
    assert len(view.figure().axes) >= 2


def test_the_sentence_of_a_pair_has_its_counts_shares_and_chance(masked, view):
    view.task, view.other = 0, 2
    a, _, c, _ = masked.masks
    shared, smaller = int((a & c).sum()), int(min(a.sum(), c.sum()))
    by_chance = sum(
        int(masked.masks.layer(0, name).sum()) * int(masked.masks.layer(2, name).sum()) / size
        for name, size in zip(masked.layout.names, masked.layout.sizes, strict=True)
    )
    said = f"a and c share {shared} weights: {100 * shared / smaller:.0f} % of the smaller mask; chance would give "
    assert said + f"{100 * by_chance / smaller:.0f} % of it" in view.alt_text
    assert view.alt == view.alt_text


def test_the_sentence_of_a_mask_has_what_is_its_own(masked, view):
    view.task = 1
    own = int(exclusive_masks(masked.masks)[1].sum())
    assert f"holds {int(masked.masks[1].sum())} weights" in view.alt_text
    assert f"{own} weights of them no earlier mask holds" in view.alt_text


def test_the_words_say_what_is_free_of_the_layer_shown_at_that_moment(masked, view):
    view.view, view.moment, view.layer = "weights", 2, masked.layout.names[1]
    name, size = view.layer, masked.layout.sizes[1]
    first, second = (masked.masks.layer(t, name).flatten().bool() for t in (0, 1))
    free = size - int((first | second).sum())
    assert view.alt_text.endswith(f"{name}: {100 * free / size:.0f} % of {size} weights are free after 2 tasks.")
    view.task = 1
    fresh = int((second & ~first).sum())
    assert f"b uses {int(second.sum())} weights of it, {fresh} weights for the first time." in view.alt_text
    view.task = 3
    assert "d uses" not in view.alt_text  # not learned by then


def test_the_words_say_what_is_used_at_the_moment_shown(masked, view):
    view.view, view.moment = "capacity", 2
    used = int((masked.masks[0] | masked.masks[1]).sum()) / masked.layout.size
    assert f"After 2 tasks {100 * used:.0f} % of {masked.layout.size} weights are in use" in view.alt_text


def test_a_task_without_a_donor_is_said_to_have_fallen_back():
    view = MaskExplorer(run())
    view.task = 2
    assert "digits 2: none, fell back to a start of its own; the best, digits" in view.alt_text
    view.task = 0
    assert "was offered no earlier mask" in view.alt_text
    view.task = 1
    assert re.search(
        r"digits 1 started from digits 0 with a score of 0\.\d\d; more than 0\.50 was needed", view.alt_text
    )


def test_a_run_that_goes_on_shows_the_tasks_it_has_learned():
    full = run(4)
    part = cl.Run(full.accuracy, full.config, series={name: values.copy() for name, values in full.series.items()})
    for values in part.series.values():
        values[2:] = np.nan
    view = MaskExplorer(part)
    assert view.ledger.T == 2
    assert len(view.task_names) == 4
    view.task = 3  # a task of the sequence, for linked views; there is no mask of it
    assert "digits 3" not in view.alt_text
    for name in view.offered:
        view.view = name
        view.figure()


# Weights


def test_each_cell_is_one_true_weight_with_its_owner_and_users(masked):
    grids, arrays = cells(masked.masks)
    owner, users = owners(masked.masks), arrays["users"]
    assert np.array_equal(arrays["owner"], owner.numpy())  # small layers are whole, and lie end to end
    for t, mask in enumerate(masked.masks):
        assert np.array_equal((users[0].astype(int) >> t) & 1, mask.int().numpy())
    assert [grid["begin"] for grid in grids] == [0, 96]


def test_kernels_lie_flat(masked):
    masks = kernels()
    grids, arrays = cells(masks)
    conv = grids[0]
    assert (conv["rows"], conv["columns"], conv["kernel"]) == (6, 36, 9)
    first = masks.layout.unpack(owners(masks))["conv.weight"].reshape(6, 36).numpy()
    assert np.array_equal(arrays["owner"][:216].reshape(6, 36), first)


def test_more_than_twenty_four_tasks_need_another_word():
    masks = made_masks.masks(30)
    _, arrays = cells(masks)
    assert arrays["users"].shape[0] == 2
    float32 = arrays["users"].astype(np.float32)
    late = np.concatenate([masks.layer(27, name).reshape(-1).numpy() for name in masks.layout.names])
    assert np.array_equal((float32[1].astype(int) >> 3) & 1, late.astype(int))


def test_large_layers_are_thinned_to_true_weights_and_say_so():
    layout = {"wide.weight": torch.Size((450, 900)), "head.weight": torch.Size((10, 450))}
    masks = made_masks.masks(3, shapes=layout)
    grids, arrays = cells(masks, most=30_000)
    assert len(arrays["owner"]) <= 30_000
    wide = grids[0]
    down, across = wide["steps"]
    assert down > 1
    assert across > 1
    first = masks.layout.unpack(owners(masks))["wide.weight"][::down, ::across].numpy()
    assert np.array_equal(arrays["owner"][: wide["rows"] * wide["columns"]].reshape(first.shape), first)


def test_users_are_left_out_where_they_are_too_many():
    _, arrays = cells(made_masks.masks(30), most=1500)
    assert arrays["users"].shape[0] == 0


# State


@pytest.mark.parametrize(
    ("trait", "value", "said"),
    [
        ("view", "donors", "Donors are not shown"),
        ("view", "nothing", "overlap, capacity, weights, exclusive"),
        ("measure", "cosine", "excess, share, count"),
        ("moment", 0, "1 to 4"),
        ("moment", 5, "1 to 4"),
        ("layer", "9.weight", "0.weight, 1.weight"),
        ("task", 4, "0 to 3"),
        ("other", -2, "-1 for none"),
    ],
)
def test_what_cannot_be_chosen_is_refused_with_what_can(view, trait, value, said):
    before = getattr(view, trait)
    with pytest.raises(traitlets.TraitError, match=said):
        setattr(view, trait, value)
    assert getattr(view, trait) == before


def test_the_figure_follows_the_state(view):
    def shown():
        return cl.plots.alt_text(view.figure())

    assert "Overlap of the masks of 4 tasks" in shown()
    view.view, view.moment = "capacity", 2
    assert "after 2 tasks" in shown()
    view.view, view.layer, view.moment = "weights", "1.weight", 3
    assert "layer 1.weight after 3 tasks" in shown()
    view.view = "exclusive"
    assert "Share of each mask that earlier masks hold, 4 tasks" in shown()


def test_the_capacity_of_a_run_at_a_moment_is_that_of_its_first_tasks():
    long, short = MaskExplorer(run(5)), run(5)
    long.view, long.moment = "capacity", 3
    first = cl.plots.alt_text(cl.plots.mask_capacity(cl.Run(short.accuracy, short.config, series=cut(short.series, 3))))
    assert cl.plots.alt_text(long.figure()) == first


def cut(series, t):
    return {name: values[:t] for name, values in series.items()}


def test_the_measure_says_whether_chance_is_taken_off(view):
    titles = {}
    for view.measure in ("excess", "share", "count"):
        titles[view.measure] = [text for ax in view.figure().axes if (text := ax.get_ylabel())][-1]
    assert "more than by chance" in titles["excess"]
    assert "more than by chance" not in titles["share"]


# What leaves it


def test_it_has_a_picture_and_words_for_those_without_a_kernel(view):
    data, metadata = view._repr_mimebundle_()
    assert base64.b64decode(data["image/png"]).startswith(b"\x89PNG")
    assert data["text/plain"] == repr(view) == "MaskExplorer(Masks of SupSup)"
    assert metadata["image/png"]["alt"] == view.alt_text


def test_a_page_holds_the_state_and_fetches_nothing(view, tmp_path):
    view.view, view.moment, view.task = "capacity", 2, 1
    page = view.to_html()
    assert not re.search(r"""(src|href)\s*=\s*["']|https?://""", page)
    state = json.loads(re.search(r'data-view="MaskExplorer"[^>]*>(.*?)</script>', page, re.DOTALL).group(1))
    assert (state["view"], state["moment"], state["task"]) == ("capacity", 2, 1)
    assert view.to_html(tmp_path / "page.html").read_text(encoding="utf-8") == page


def test_names_of_strangers_stay_text(masked):
    view = MaskExplorer(masked, names=[HOSTILE, "b", "c", "$x_1$"])
    view.task, view.other = 0, 1
    assert HOSTILE in view.alt_text
    assert "<img" not in view.to_html()
    for name in view.offered:
        view.view = name
        view.figure().canvas.draw()


def test_linked_views_pick_the_same_task(masked, view):
    other = MaskExplorer(masked, names=view.task_names)
    cl.widgets.link(view, other)
    other.task = 3
    assert view.task == 3


def test_nothing_is_drawn_from_a_global_generator_and_nothing_changes(masked):
    before = masked.bits.clone()
    MaskExplorer(masked).to_html()
    assert torch.equal(masked.bits, before)


# What it refuses


def test_other_runs_and_learners_are_refused_with_what_is_expected(masked):
    with pytest.raises(ValueError, match=r"of a learner of masks, such as SupSup or ExSSNeT; this one of Finetune"):
        MaskExplorer(cl.Run(np.ones((2, 1)), {"learner": {"name": "Finetune"}}))
    with pytest.raises(TypeError, match="got Finetune: other learners have no masks"):
        MaskExplorer(tiny.learner("Finetune"))
    with pytest.raises(ValueError, match="it has learned none: train it first"):
        MaskExplorer(tiny.learner("SupSup"))
    with pytest.raises(ValueError, match="a name for each of 4 tasks; got 1"):
        MaskExplorer(masked, names=["one"])
    with pytest.raises(ValueError, match="knows its tasks: leave it out"):
        MaskExplorer(run(), names=["a", "b", "c", "d"])
    empty = run()
    for values in empty.series.values():
        values[:] = np.nan
    with pytest.raises(ValueError, match="has none yet: train it first"):
        MaskExplorer(empty)


# Size


def test_two_hundred_tasks_answer_at_once():
    many = learner(200, shapes=[(40, 30)] + [(40, 40)] * 3 + [(10, 40)])
    start = time.process_time()
    view = MaskExplorer(many)
    assert time.process_time() - start < 5
    for trait, values in {
        "moment": (1, 100),
        "task": (7, 199),
        "other": (3, 8),
        "view": ("capacity", "weights"),
    }.items():
        for value in values:
            start = time.process_time()
            setattr(view, trait, value)
            assert time.process_time() - start < 0.25, trait
    assert isinstance(many.masks, Masks)
