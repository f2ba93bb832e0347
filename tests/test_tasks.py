"""Examples in memory and streamed are the same examples; the three scenarios are views of one list of tasks."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.testing import assert_close
from torch.utils.data import Dataset

from cltoolkit.randomness import stream
from cltoolkit.tasks import Examples, Streamed, Task, TaskSequence, r_squared, squared_error


def drawn(*shape, key="x"):
    return torch.randn(*shape, generator=stream(0, key))


class Rows(Dataset):
    """Rows of a tensor, with noise from torch's global generator as random transforms draw it."""

    def __init__(self, x, noise=0.0):
        self.x, self.noise = x, noise

    def __len__(self):
        return len(self.x)

    def __getitem__(self, i):
        return self.x[i] + self.noise * torch.randn(self.x[i].shape), "its label, which is not read"


class Double(nn.Module):
    """A transform with a buffer, which has to move with the data."""

    def __init__(self):
        super().__init__()
        self.register_buffer("factor", torch.tensor(2.0))

    def forward(self, x):
        return self.factor * x


needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")

X, Y = drawn(10, 3), torch.arange(10) % 2
ORDER = torch.tensor([3, 1, 4, 0, 5, 9, 2])


def examples(transform=None):
    return Examples(X, Y, transform)


def streamed(transform=None, workers=0, noise=0.0):
    return Streamed(Rows(X, noise), torch.arange(10), Y, transform, workers)


def task(name="a", *, classes=(0, 1), n=10, shape=(3,), **options):
    y = torch.arange(n) % len(classes)
    data = Examples(drawn(n, *shape), y)
    return Task(name, data, data, classes=classes, **options)


def sequence(*groups, **options):
    groups = groups or ((3, 5), (8, 3), (1, 5))
    return TaskSequence([task(f"t{i}", classes=classes) for i, classes in enumerate(groups)], **options)


def same(a, b):
    return len(a) == len(b) and all(
        torch.equal(x, u) and torch.equal(y, v) for (x, y), (u, v) in zip(a, b, strict=True)
    )


# Examples and Streamed


@pytest.mark.parametrize("transform", [None, Double()])
@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("start", [0, 2])
def test_streamed_examples_equal_those_in_memory(workers, transform, start):
    here = list(examples(transform).batches(ORDER, 3, start=start))
    there = list(streamed(transform, workers).batches(ORDER, 3, start=start))
    assert same(here, there)
    assert streamed(transform, workers).input_shape == examples(transform).input_shape == (3,)
    assert same([examples(transform).take(ORDER)], [streamed(transform, workers).take(ORDER)])


@pytest.mark.parametrize("make", [examples, streamed])
@pytest.mark.parametrize("size", range(1, 9))
def test_batches_are_the_order_in_almost_equal_parts(make, size):
    batches = list(make().batches(ORDER, size))
    sizes = [len(x) for x, _ in batches]
    assert max(sizes) <= size
    assert max(sizes) - min(sizes) <= 1
    assert torch.equal(torch.cat([x for x, _ in batches]), X[ORDER])
    assert torch.equal(torch.cat([y for _, y in batches]), Y[ORDER])


@pytest.mark.parametrize("make", [examples, lambda: streamed(noise=1.0)])
@given(size=st.integers(1, 8), start=st.integers(0, 8))
def test_batches_continue_from_any_start(make, size, start):
    assert same(
        list(make().batches(ORDER, size, seed=7))[start:], list(make().batches(ORDER, size, start=start, seed=7))
    )


@pytest.mark.parametrize("workers", [0, 2])
def test_random_transforms_are_drawn_anew_by_seed_and_repeat_by_it(workers):
    data = streamed(noise=1.0, workers=workers)
    first, again, other = (list(data.batches(ORDER, 3, seed=seed)) for seed in (1, 1, 2))
    assert same(first, again)
    assert same(first, list(streamed(noise=1.0).batches(ORDER, 3, seed=1)))
    assert not torch.equal(first[0][0], other[0][0])
    noise = torch.cat([x for x, _ in first]) - X[ORDER]
    assert len(noise.unique(dim=0)) == len(ORDER)


@pytest.mark.parametrize("workers", [0, 2])
def test_streaming_draws_from_no_global_generator(workers):
    before = torch.get_rng_state()
    list(streamed(noise=1.0, workers=workers).batches(ORDER, 3))
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("make", [examples, streamed])
def test_subset_of_a_subset(make):
    part = make().subset(torch.tensor([9, 2, 5])).subset(torch.tensor([2, 0]))
    x, y = part.take(torch.arange(2))
    assert len(part) == 2
    assert torch.equal(x, X[[5, 9]])
    assert torch.equal(y, Y[[5, 9]])


@pytest.mark.parametrize("make", [examples, streamed])
def test_relabel_changes_labels_alone(make):
    table = torch.tensor([7, 4])
    part = make().relabel(table)
    assert torch.equal(part.y, table[Y])
    assert torch.equal(part.take(ORDER)[0], X[ORDER])
    assert torch.equal(make().y, Y)


def test_bytes_are_read_as_numbers_up_to_one():
    data = Examples(torch.tensor([[0, 51, 255]], dtype=torch.uint8), torch.tensor([0]))
    x, _ = data.take(torch.tensor([0]))
    assert x.tolist() == [[0, pytest.approx(0.2), 1]]
    with_transform = Examples(data.x, data.y, lambda stored: stored.float())
    assert with_transform.take(torch.tensor([0]))[0].tolist() == [[0, 51, 255]]


def test_storage_that_is_shared_is_moved_once():
    memo = {}
    transform = Double()
    a, b = (Examples(X, Y, transform).to("meta", memo) for _ in range(2))
    assert a.x is b.x
    assert a.y is b.y
    assert a.x.device.type == "meta"
    assert a.transform.factor.device.type == "meta"
    assert transform.factor.device.type == "cpu"


def test_moving_to_where_it_is_copies_nothing():
    assert examples().to("cpu").x is X


@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=needs_cuda)])
def test_a_sequence_moves_shared_storage_once(device):
    data = Examples(X, Y)
    tasks = TaskSequence([Task(name, data, data) for name in "ab"]).to(device).tasks
    assert all(part.x.device.type == device for t in tasks for part in t.parts.values())
    assert len({id(part.x) for t in tasks for part in t.parts.values()}) == 1


def test_labels_of_any_integer_type_become_int64():
    assert Examples(X, Y.to(torch.int32)).y.dtype == torch.int64


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Examples(X, Y[:9]), "10 inputs and 9 labels"),
        (lambda: Examples(X, Y.float()), "whole numbers.*float32"),
        (lambda: Examples(X, nn.functional.one_hot(Y)), r"one-dimensional.*\(10, 2\).*argmax"),
        (lambda: Examples(X, Y - 1), "counted from 0; the smallest is -1"),
        (lambda: Examples(X.clone().index_fill(0, torch.tensor([4]), float("nan")), Y), "example 4 holds NaN"),
        (lambda: Examples(X.clone().index_fill(0, torch.tensor([6]), float("inf")), Y), "example 6 holds NaN or inf"),
        (lambda: Streamed(Rows(X), torch.arange(9), Y), "9 rows and 10 labels"),
    ],
)
def test_examples_say_what_is_wrong(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_streamed_rows_that_are_no_tensors_are_named():
    with pytest.raises(TypeError, match=r"row 1 of list gives a str.*PILToTensor"):
        Streamed([torch.zeros(2), "picture"], torch.arange(2), torch.arange(2)).take(torch.tensor([1]))


# Task


def test_task_names_its_classes_by_itself():
    made = Task("a", examples(), examples())
    assert made.classes == made.outputs == (0, 1)
    assert made.input_shape == (3,)
    assert set(made.parts) == {"train", "test"}
    assert set(Task("a", examples(), examples(), examples()).parts) == {"train", "test", "validation"}


def test_other_outputs_keep_the_examples():
    made = task(classes=("cat", "dog")).with_outputs((6, 2), "class")
    assert made.outputs == (6, 2)
    assert made.scenario == "class"
    assert torch.equal(made.train.y, torch.tensor([6, 2])[Y])
    assert torch.equal(made.with_outputs((0, 1), "task").train.y, Y)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Task("a", examples(), examples().subset(torch.arange(0))), "'a' has no test examples"),
        (lambda: Task("a", examples().subset(torch.arange(0)), examples(), classes=(0, 1)), "no train examples"),
        (lambda: Task("a", Examples(X, 0 * Y), examples()), "single class 0.*scenario='class'"),
        (lambda: Task("a", examples(), Examples(X, Y + 1)), r"test labels \[2\] are out of range.*\[0, 1\]"),
        (lambda: Task("a", examples(), examples(), classes=(1, 2, 3)), r"no training example of class \[3\]"),
        (lambda: Task("a", examples(), examples(), classes=(1, 2), outputs=(0,)), "2 classes but 1 output"),
    ],
)
def test_task_says_what_is_wrong(make, message):
    with pytest.raises(ValueError, match=message):
        make()


# TaskSequence


@pytest.mark.parametrize("scenario", ["task", "domain", "class"])
def test_labels_lead_back_to_the_original_ones(scenario):
    for before, after in zip(sequence(), sequence().as_scenario(scenario), strict=True):
        original = dict(zip(after.outputs, after.classes, strict=True))
        assert [original[int(y)] for y in after.train.y] == [before.classes[int(y)] for y in before.train.y]
        assert torch.equal(after.train.x, before.train.x)


@pytest.mark.parametrize("first", ["task", "domain", "class"])
@pytest.mark.parametrize("second", ["task", "domain", "class"])
def test_scenarios_are_views_that_lead_back(first, second):
    a = sequence().as_scenario(first)
    b = a.as_scenario(second).as_scenario(first)
    assert [t.outputs for t in a] == [t.outputs for t in b]
    assert all(torch.equal(s.train.y, t.train.y) for s, t in zip(a, b, strict=True))
    assert b.scenario == first


def test_number_of_output_units_by_scenario():
    unequal = sequence((1, 2, 3), (4, 5), (1, 9))
    assert unequal.num_classes == 3
    assert unequal.as_scenario("class").num_classes == 6
    assert [t.outputs for t in unequal.as_scenario("class")] == [(0, 1, 2), (3, 4), (0, 5)]
    with pytest.raises(ValueError, match=r"as many classes; got.*'t0': 3"):
        unequal.as_scenario("domain")


@given(st.permutations(range(3)), st.sampled_from(["task", "domain", "class"]))
def test_order_and_scenario_commute(order, scenario):
    a = sequence().reorder(order).as_scenario(scenario)
    b = sequence().as_scenario(scenario).reorder(order)
    assert [(t.name, t.outputs) for t in a] == [(t.name, t.outputs) for t in b]
    assert all(torch.equal(s.train.y, t.train.y) for s, t in zip(a, b, strict=True))


@given(st.permutations(range(3)))
def test_reordering_twice_is_reordering_once(order):
    relation = torch.tensor([[1, 0.2, 0.3], [0.2, 1, 0.4], [0.3, 0.4, 1]])
    twice = sequence(relation=relation).reorder(order).reorder([2, 0])
    once = sequence(relation=relation).reorder([order[2], order[0]])
    assert [t.name for t in twice] == [t.name for t in once]
    assert torch.equal(twice.relation, once.relation)


def test_reordering_is_noted_in_the_recipe():
    made = sequence()
    object.__setattr__(made, "recipe", {"name": "x", "arguments": {}})
    assert made.reorder([2, 0]).recipe == {"name": "x", "arguments": {}, "order": [2, 0]}
    assert made.reorder([2, 0, 1])[1:].recipe["order"] == [0, 1]
    assert made.as_scenario("class").recipe == made.to("cpu").recipe == made.recipe


def test_one_class_at_a_time_can_be_reordered_sliced_and_continued():
    """Class-incremental learning may bring a class per task, which no other scenario can see."""
    single = [task(f"t{c}", classes=(c,), scenario="class") for c in "abc"]
    made = TaskSequence(single).as_scenario("class")
    assert [t.outputs for t in made] == [(0,), (1,), (2,)]
    assert [(t.classes, t.outputs) for t in made.reorder([2, 0])] == [(("c",), (0,)), (("a",), (1,))]
    longer = made[:1] + (task("t4", classes=("b", "a")),)  # noqa: RUF005 - TaskSequence's own addition
    assert [t.outputs for t in longer] == [(0,), (1, 0)]
    assert longer[1].train.y.tolist() == [1, 0] * 5


@pytest.mark.parametrize("scenario", ["task", "domain", "class"])
def test_adding_tasks_equals_having_had_them(scenario):
    grown = sequence((3, 5)).as_scenario(scenario) + sequence((3, 5), (8, 3), (1, 5))[1:]
    whole = sequence().as_scenario(scenario)
    assert [(t.name, t.outputs) for t in grown] == [(t.name, t.outputs) for t in whole]
    assert all(torch.equal(s.train.y, t.train.y) for s, t in zip(grown, whole, strict=True))


def test_slices_are_sequences():
    part = sequence()[1:]
    assert isinstance(part, TaskSequence)
    assert [t.name for t in part] == ["t1", "t2"]
    assert sequence()[-1].name == "t2"


def test_table_shows_original_labels_beside_units():
    table = repr(sequence(name="pets").as_scenario("class"))
    assert "pets: 3 tasks, scenario 'class', inputs (3,), 4 output units" in table
    assert "1  t1: 8→2, 3→0  (10 / 0 / 10 train / validation / test)" in table
    assert "…" in repr(sequence(tuple(range(8))))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: TaskSequence([]), "at least one task"),
        (lambda: TaskSequence([task("a"), task("a")]), r"\['a'\] occur more than once"),
        (lambda: TaskSequence([task("a"), task("b", shape=(4,))]), r"'a' has \(3,\), task 'b' has \(4,\)"),
        (lambda: TaskSequence([task("a"), task("b", scenario="class")]), "one scenario"),
        (lambda: sequence().as_scenario("tasks"), "'task', 'domain' or 'class'; got 'tasks'"),
        (lambda: sequence().reorder([0, 3]), r"from 0 to 2; got \[0, 3\]"),
        (lambda: sequence().reorder([0, 0]), "different task numbers"),
    ],
)
def test_sequence_says_what_is_wrong(make, message):
    with pytest.raises(ValueError, match=message):
        make()


# Real-valued targets


def targets(k=2, n=10, key="targets"):
    return Examples(drawn(n, 3), drawn(n, k, key=key))


def regression(name="a", k=2, **options):
    return Task(name, targets(k), targets(k, 4, "test"), **options)


def test_floats_in_rows_are_targets_and_stay_as_they_are():
    y = drawn(10, 2).double()
    assert Examples(X, y).y is y
    rows = Streamed(Rows(X), torch.arange(10), y)
    assert same(list(rows.batches(ORDER, 3)), list(Examples(X, y).batches(ORDER, 3)))


def test_targets_are_met_by_the_first_outputs_and_have_no_classes():
    task = regression(k=3)
    assert (task.regression, task.outputs, task.classes) == (True, (0, 1, 2), ())
    assert not globals()["task"]().regression


@pytest.mark.parametrize("scenario", ["task", "domain"])
def test_a_regression_is_the_same_in_every_scenario_but_one(scenario):
    made = TaskSequence([regression("a"), regression("b")])
    seen = made.as_scenario(scenario)
    assert (seen.regression, seen.scenario, seen.num_classes) == (True, scenario, 2)
    assert all(a.train is b.train for a, b in zip(made, seen, strict=True))
    assert [t.name for t in (seen[1:] + seen[:1])] == ["b", "a"]
    assert seen[:1].description["tasks"][0]["classes"] == []
    with pytest.raises(ValueError, match=r"'a': scenario='class' tells classes apart.*use 'task' or 'domain'"):
        seen.as_scenario("class")


def test_a_regression_is_told_from_others_by_its_targets():
    def probes(data):
        return TaskSequence([Task("a", data, data)]).description["tasks"][0]["probe"]

    data = targets()
    moved = Examples(data.x, data.y + torch.tensor([0.0, 1e-3]))
    swapped = Examples(data.x, data.y.flip(1))
    assert probes(data) == probes(Examples(data.x.clone(), data.y.clone()))
    assert len({probes(each)[0] for each in (data, moved, swapped)}) == 3


def test_a_regression_says_so():
    assert repr(TaskSequence([regression(k=1)])).splitlines() == [
        "tasks: 1 tasks, scenario 'task', inputs (3,), 1 output unit",
        "  0  a: regression on 1 number  (10 / 0 / 4 train / validation / test)",
    ]
    assert "a: regression on 2 numbers" in repr(TaskSequence([regression()]))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Examples(X, Y.float()), r"real-valued targets as floats \(n, k\); got shape \(10,\).*y\[:, None\]"),
        (lambda: Examples(X, drawn(10, 2, 2)), r"floats \(n, k\); got shape \(10, 2, 2\)"),
        (lambda: Examples(X, drawn(10, 0)), r"at least one number for each example; got .*\(10, 0\)"),
        (lambda: Examples(X, drawn(9, 1)), "10 inputs and 9 labels"),
        (lambda: Examples(X, torch.full((10, 1), float("nan"))), "finite targets; that of example 0 holds NaN"),
        (lambda: regression(classes=(3, 5)), r"real-valued targets have no classes; got classes=\(3, 5\)"),
        (lambda: regression(outputs=(1, 0)), r"met by the outputs \(0, 1\), in order; got outputs=\(1, 0\)"),
        (lambda: regression(scenario="class"), "scenario='class' tells classes apart"),
        (lambda: Task("a", targets(1), targets(2)), "targets of one width in all parts; got {'train': 1, 'test': 2}"),
        (lambda: Task("a", targets(), examples()), "train has real-valued targets, test labels"),
        (lambda: Task("a", examples(), targets()), "train has labels, test real-valued targets"),
        (lambda: TaskSequence([regression("a"), task("b")]), "labels in all tasks, or real-valued targets in all"),
        (lambda: TaskSequence([regression("a", 1), regression("b", 2)]), "'a' has 1, 'b' 2"),
    ],
)
def test_targets_that_do_not_fit_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@given(st.integers(1, 3), st.integers(1, 20), st.floats(-100, 100))
def test_r_squared_is_0_at_the_mean_and_keeps_its_value_under_shifts_and_scales(k, n, shift):
    y, z = drawn(n + 1, k).double(), drawn(n + 1, k, key="z").double()

    def fit(outputs, targets):
        return r_squared(squared_error(outputs, targets).sum(), targets)

    assert fit(y, y) == 1
    assert_close(fit(y.mean(0).expand_as(y), y), torch.tensor(0.0).double(), rtol=0, atol=1e-9)
    assert_close(fit(2 * z + shift, 2 * y + shift), fit(z, y))
    assert fit(z, y) <= 1


def test_r_squared_of_constant_targets_is_all_or_nothing():
    y = torch.ones(4, 1)
    assert [float(r_squared(torch.tensor(error), y)) for error in (0.0, 0.1)] == [1.0, 0.0]


def test_outputs_beyond_the_targets_count_for_nothing():
    y, z = drawn(5, 2), drawn(5, 4, key="z")
    assert_close(squared_error(z, y), (z[:, 0] - y[:, 0]) ** 2 + (z[:, 1] - y[:, 1]) ** 2)
