"""The transfer matrix of a learner: each cell as computed by hand, the sources untouched, the known relation found."""

import warnings

import numpy as np
import pytest
import tiny
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.utils.data import TensorDataset

import cltoolkit as cl
from cltoolkit.params import Stateless
from cltoolkit.randomness import seeded, stream
from cltoolkit.tasks import Examples, Streamed, Task, TaskSequence
from cltoolkit.transferability import (
    ESTIMATORS,
    NoiseFloorWarning,
    TransferMatrix,
    agreement,
    draw_sample,
    h_score,
    stacked_outputs,
    transfer_matrix,
)

ALL = tuple(ESTIMATORS)


def trained(sequence, name="Separate", *, epochs=2, **config):
    learner = tiny.learner(name, sequence.num_classes, **config)
    cl.train(learner, sequence, epochs=epochs, batch_size=8, device="cpu", progress=False)
    return learner


def quietly(*args, **keywords):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NoiseFloorWarning)
        return transfer_matrix(*args, **keywords)


@pytest.mark.parametrize("scenario", ["task", "class"])
@pytest.mark.parametrize("name", ["Separate", "HyperNet", "Joint"])
def test_every_cell_is_the_estimator_of_that_source_on_that_target(name, scenario):
    sequence = tiny.sequence(3, scenario=scenario)
    learner = trained(sequence, name)
    matrices = quietly(learner, sequence, estimators=ALL, batch_size=5)
    for s, t in np.ndindex(3, 3):
        x, y = sequence[t].train.take(torch.arange(len(sequence[t].train)))
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore", NoiseFloorWarning)
            seen = {
                "features": learner.features(x, s).double(),
                "probabilities": learner.logits(x, s).double().softmax(-1),
            }
            for key, estimator in ESTIMATORS.items():
                expected = float(estimator.of(seen[estimator.needs], y))
                assert matrices[key].values[s, t] == pytest.approx(expected, rel=1e-4, abs=1e-6), key


def test_related_tasks_are_better_sources_than_strangers():
    groups = [0, 0, 0, 1, 1, 1]
    sequence = cl.sequences.related_gaussians(6, relatedness=0.95, groups=groups, classes=3, dim=12, train=100, test=2)
    learner = cl.learners.Separate(cl.networks.mlp(sequence.input_shape, (16, 4), 3), lr=0.01)
    cl.train(learner, sequence, epochs=10, device="cpu", progress=False)
    matrix = transfer_matrix(learner, sequence)["h_score"]
    same = np.equal.outer(groups, groups)
    for column, kin in zip(matrix.values.T, same, strict=True):
        assert column[kin].min() > column[~kin].max()


def test_equal_tasks_have_equal_columns():
    data = tiny.task(0)
    sequence = TaskSequence([Task(name, data.train, data.test, classes=data.classes) for name in "abc"])
    for matrix in quietly(trained(sequence, epochs=1), sequence, estimators=ALL).values():
        np.testing.assert_array_equal(matrix.values, matrix.values[:, :1].repeat(3, 1))


@pytest.mark.parametrize("statistics", ["stored", "batch"])
@pytest.mark.parametrize("name", ["Separate", "HyperNet", "Finetune"])
def test_nothing_is_left_behind_in_a_learner(name, statistics):
    sequence = tiny.sequence()
    learner = trained(sequence, name, batch_norm=True, dropout=True).eval()
    before = tiny.copied(learner.state_dict())
    facts = learner.state()[1]
    wanted = {key: value.requires_grad for key, value in learner.named_parameters()}
    quietly(learner, sequence, estimators=ALL, statistics=statistics)
    assert not tiny.differing(before, learner.state_dict())
    assert learner.state()[1] == facts
    assert {key: value.requires_grad for key, value in learner.named_parameters()} == wanted
    assert not learner.training
    assert not any(value.is_inference() for value in learner.state_dict().values())


def test_nothing_is_left_behind_in_modules():
    sequence = tiny.sequence()
    modules = {"a": tiny.net(batch_norm=True), "b": tiny.net(batch_norm=True).eval().requires_grad_(False)}
    before = {key: tiny.copied(module.state_dict()) for key, module in modules.items()}
    quietly(modules, sequence, statistics="batch")
    for key, module in modules.items():
        assert not tiny.differing(before[key], module.state_dict())
    assert [module.training for module in modules.values()] == [True, False]
    assert all(p.requires_grad for p in modules["a"].parameters())
    assert not any(p.requires_grad for p in modules["b"].parameters())


def test_batch_statistics_are_those_of_training():
    net = Stateless(tiny.net(batch_norm=True))
    params = {key: torch.stack([value, 2 * value]) for key, value in net.initial(1).items()}
    x = torch.randn(30, tiny.FEATURES, generator=stream(0, "x"))
    features, logits = stacked_outputs(net, params, x, statistics="batch")
    for s in range(2):
        own = {key: value[s].clone() for key, value in params.items()}
        expected = net.both(own, x, training=True)
        torch.testing.assert_close((features[s], logits[s]), expected)
    stored, _ = stacked_outputs(net, params, x)
    assert not torch.allclose(stored, features)


def test_batch_statistics_come_without_dropout():
    sequence = tiny.sequence()
    learner = trained(sequence, batch_norm=True, dropout=True)
    first, second = (quietly(learner, sequence, statistics="batch")["h_score"] for _ in range(2))
    np.testing.assert_array_equal(first.values, second.values)


def test_passes_may_be_of_any_size():
    sequence = tiny.sequence(n=40)
    learner = trained(sequence, batch_norm=True)
    for statistics in ("stored", "batch"):
        small, large = (
            quietly(learner, sequence, statistics=statistics, batch_size=size)["h_score"].values for size in (3, 500)
        )
        np.testing.assert_allclose(small, large, rtol=1e-5)


def test_modules_of_any_architecture_are_sources():
    sequence = tiny.sequence()
    learner = trained(sequence)
    module = tiny.net()
    module.load_state_dict(learner.params(1))
    with seeded(0, "test"):
        modules = {"copy": module, "narrow": nn.Sequential(nn.Linear(6, 3), nn.Tanh(), nn.Linear(3, 7))}
    modules["stateless"] = Stateless(module, weights="given")
    of_modules = quietly(modules, sequence, estimators=ALL)
    of_learner = quietly(learner, sequence, estimators=ALL)
    assert of_modules["leep"].sources == ("copy", "narrow", "stateless")
    for key in ALL:
        np.testing.assert_allclose(of_modules[key].values[0], of_learner[key].values[1], rtol=1e-4, atol=1e-6)
        np.testing.assert_array_equal(of_modules[key].values[0], of_modules[key].values[2])


def test_probabilities_are_those_of_the_sources_own_units():
    sequence = tiny.sequence(scenario="class")
    learner = trained(sequence)
    before = quietly(learner, sequence, estimators=("leep", "nce"))
    head = learner.networks.get_buffer("2:bias")  # (T, k)
    for t in range(3):
        others = [unit for unit in range(sequence.num_classes) if unit not in sequence[t].outputs]
        head[t, others] += 100
    after = quietly(learner, sequence, estimators=("leep", "nce"))
    for key in before:
        np.testing.assert_array_equal(before[key].values, after[key].values)


def test_functions_of_your_own_are_estimators():
    sequence = tiny.sequence()
    learner = trained(sequence)
    own = {"mine": lambda features, labels: h_score(features, labels), "size": lambda f, y: float(len(f))}
    matrices = quietly(learner, sequence, estimators=own, samples=10)
    known = quietly(learner, sequence, samples=10)["h_score"]
    np.testing.assert_allclose(matrices["mine"].values, known.values)
    assert (matrices["size"].values == 10).all()
    assert matrices["mine"].floor is None


def test_floor_is_that_of_features_without_meaning():
    sequence = tiny.sequence()
    matrix = quietly(trained(sequence), sequence)["h_score"]
    np.testing.assert_allclose(matrix.floor, 8 * 1 / 21)


def test_noise_is_told_once():
    sequence = tiny.sequence()
    learner = trained(sequence)
    with pytest.warns(NoiseFloorWarning, match=r"of 18 scores") as told:
        transfer_matrix(learner, sequence, estimators=("h_score", "leep"), samples=4)
    assert len(told) == 1


def test_samples_are_seeded_and_do_not_depend_on_the_order_of_tasks():
    sequence = tiny.sequence(n=60)
    learner = trained(sequence)
    names = [task.name for task in sequence]
    a, b, c = (quietly(learner, sequence, samples=30, seed=seed)["h_score"].values for seed in (0, 0, 1))
    np.testing.assert_array_equal(a, b)
    assert (a != c).any()
    turned = quietly(learner, sequence.reorder([2, 0, 1]), samples=30, source_names=names)["h_score"]
    np.testing.assert_allclose(turned.values[:, [1, 2, 0]], a)


def test_part_and_names_are_as_asked():
    sequence = tiny.sequence()
    learner = trained(sequence)
    matrix = quietly(learner, sequence[:2], part="test", source_names=("x", "y", "z"))["h_score"]
    assert (matrix.sources, matrix.targets) == (("x", "y", "z"), ("t0", "t1"))
    assert matrix.settings["part"] == "test"
    assert (matrix.values != quietly(learner, sequence)["h_score"].values[:, :2]).all()


def test_streamed_examples_serve_as_well():
    sequence = tiny.sequence()
    learner = trained(sequence)

    def streamed(task):
        x, y = task.train.take(torch.arange(len(task.train)))
        return Task(task.name, Streamed(TensorDataset(x), torch.arange(len(y)), y), task.test, classes=task.classes)

    stream_sequence = TaskSequence([streamed(task) for task in sequence])
    a, b = (quietly(learner, tasks, samples=12)["h_score"].values for tasks in (sequence, stream_sequence))
    np.testing.assert_array_equal(a, b)


@settings(max_examples=25)
@given(
    counts=st.lists(st.integers(1, 30), min_size=2, max_size=5),
    samples=st.integers(5, 60),
    seed=st.integers(0, 100),
)
def test_sample_has_as_many_of_each_class_as_the_data(counts, samples, seed):
    y = torch.cat([torch.full((count,), 3 * label) for label, count in enumerate(counts)])
    data = Examples(torch.zeros(len(y), 1), y)
    index = draw_sample(data, samples, seed, "test")
    assert torch.equal(index, index.unique())
    assert len(index) == min(samples, len(y))
    assert torch.equal(index, draw_sample(data, samples, seed, "test"))
    for label, count in enumerate(counts):
        drawn = int((y[index] == 3 * label).sum())
        assert drawn >= 1
        assert drawn - count * len(index) / len(y) <= 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"estimators": ("h_scoer",)}, "known are"),
        ({"estimators": ()}, "at least one estimator"),
        ({"samples": 3}, "two of each class"),
        ({"statistics": "own"}, "statistics"),
        ({"batch_size": 0}, "batch_size"),
        ({"part": "dev"}, "no dev examples"),
        ({"models": {}}, "empty mapping"),
        ({"source_names": ("a",)}, "a name for each"),
        ({"source_names": ("a", "a", "b")}, "names of their own"),
        ({"models": {"cnn": cl.networks.lenet((1, 28, 28), 2)}}, "source 'cnn': the network does not take inputs"),
        ({"models": {"headless": nn.Identity()}}, "source 'headless'"),
        ({"models": tiny.learner("Separate")}, "knows no task"),
        ({"sequence": cl.sequences.split_digits()}, "does not take inputs"),
    ],
)
def test_errors_come_before_the_work(change, message):
    sequence = tiny.sequence()
    given = {"models": trained(sequence, epochs=1), "sequence": sequence} | change
    with pytest.raises(ValueError, match=message):
        transfer_matrix(given.pop("models"), given.pop("sequence"), **given)


@pytest.mark.parametrize("models", [nn.Identity(), {"a": "b"}])
def test_what_is_no_source_is_refused(models):
    with pytest.raises(TypeError, match="expected"):
        transfer_matrix(models, tiny.sequence())


def test_single_classes_are_refused():
    sequence = cl.sequences.split_digits(1, scenario="class")[:2]
    with pytest.raises(ValueError, match="single class"):
        transfer_matrix({"a": cl.networks.mlp((1, 8, 8), (4,), 2)}, sequence)


def test_scores_of_rotated_digits_follow_the_angle():
    """Seven angles, 0° to 90°: the closer two are, the better one serves the other; 0.8 at least, over all pairs."""
    sequence = cl.sequences.rotated_digits()
    net = cl.networks.mlp(sequence.input_shape, (64, 64), sequence.num_classes)
    learner = cl.learners.Separate(net, lr=3e-3)
    for _ in cl.steps(learner, sequence, epochs=10, device="cpu"):
        pass
    names = ["h_score", "h_score_shrinkage", "leep", "nce", "log_me", "gbc", "knn"]
    scores = transfer_matrix(learner, sequence, estimators=names)
    angle = np.linspace(0, 90, 7)
    tasks = scores["leep"].targets
    closeness = TransferMatrix(-np.abs(angle[:, None] - angle), "closeness", tasks, tasks)
    seen = agreement(scores, closeness, over="pairs").set_index(["measure", "estimator"]).loc["spearman", "value"]
    assert seen["h_score"] >= 0.8
    assert (seen >= 0.8).sum() >= 3
