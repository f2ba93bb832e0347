"""Measured transfer: training together is training alone, what is kept is what was computed, the truth comes out."""

import json
import warnings

import numpy as np
import pytest
import tiny
import torch
import torch.nn.functional as F
from torch import nn

import cltoolkit as cl
from cltoolkit.params import Stateless
from cltoolkit.randomness import seeded, stream
from cltoolkit.transferability import TransferMatrix, _measured, measured_transfer, probe_accuracy
from cltoolkit.transferability._fine_tune import Adam, cycled, stacked, train_networks
from cltoolkit.transferability._probe import PENALTIES

SMALL = {"epochs": 2, "batch_size": 8, "target_samples": 16, "fine_tune_steps": 3, "device": "cpu", "progress": False}
KEYS = ("linear_probe_gain", "fine_tune_gain")


def measure(sequence=None, *, net=None, **changes):
    sequence = tiny.sequence(3) if sequence is None else sequence
    given = SMALL | {"repeats": 2} | changes
    return measured_transfer(tiny.net(sequence.num_classes) if net is None else net, sequence, **given)


def same(a, b):
    return all(a[key].samples.tobytes() == b[key].samples.tobytes() for key in KEYS)


def conv(batch_norm):
    with seeded(0, "conv"):
        norm = [nn.BatchNorm2d(3)] if batch_norm else []
        return nn.Sequential(nn.Conv2d(1, 3, 3), *norm, nn.ReLU(), nn.Flatten(), nn.Linear(12, 2))


def with_tanh():
    with seeded(0, "tiny net"):
        return nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 2))


NETS = {
    "mlp": lambda: (tiny.net(), (6,)),
    "mlp with batch norm": lambda: (tiny.net(batch_norm=True), (6,)),
    "conv": lambda: (conv(False), (1, 4, 4)),
    "conv with batch norm": lambda: (conv(True), (1, 4, 4)),
}


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("which", NETS)
def test_networks_trained_together_are_as_if_each_were_alone(which, shared):
    """An independent implementation: a plain module, torch's Adam, one network after the other.

    In float64, as the gradient of a bias before batch norm is nothing but rounding, which Adam makes a step of: of
    lr · 1e-16 / ε at most, where ε = 1e-8.
    """
    module, shape = NETS[which]()
    net, count, steps = Stateless(module.double()), 3, 4
    start = stacked([net.initial(0, n) for n in range(count)])
    before = tiny.copied(start)
    x = torch.randn(steps, count, 5, *shape, generator=stream(0, "x"), dtype=torch.float64)
    y = torch.randint(2, (steps, count, 5), generator=stream(0, "y"))
    if shared:
        x, y = x[:, 0], y[:, 0]

    def batch(step, rows):
        return (x[step], y[step]) if shared else (x[step, rows.start : rows.stop], y[step, rows.start : rows.stop])

    for at_once in (1, 2, 3):
        ticks = []
        adam = Adam(steps, 0.01, 0, at_once)
        found = train_networks(net, start, batch, torch.zeros(count, 2), adam, tick=ticks.append)
        assert sum(ticks) == steps * count
        for n in range(count):
            module.load_state_dict({name: value[n] for name, value in before.items()})
            optimizer = torch.optim.Adam(module.train().parameters(), lr=0.01)
            for step in range(steps):
                xb, yb = (x[step], y[step]) if shared else (x[step, n], y[step, n])
                optimizer.zero_grad()
                F.cross_entropy(module(xb), yb).backward()
                optimizer.step()
            for name, value in module.state_dict().items():
                torch.testing.assert_close(found[name][n], value, rtol=1e-8, atol=1e-9)
    assert not tiny.differing(before, start)


def test_closed_units_are_not_trained():
    net = Stateless(tiny.net(4))
    start = stacked([net.initial(0), net.initial(1)])
    closed = torch.tensor([[0.0, 0.0, -torch.inf, -torch.inf], [-torch.inf, -torch.inf, 0.0, 0.0]])
    x, y = torch.randn(2, 5, 6, generator=stream(0, "x")), torch.tensor([[0, 1, 0, 1, 1], [2, 3, 3, 2, 2]])
    found = train_networks(net, start, lambda step, rows: (x, y), closed, Adam(3, 0.01, 0, 2), tick=lambda n: None)
    moved = (found["2.bias"] != start["2.bias"]).tolist()
    assert moved == [[True, True, False, False], [False, False, True, True]]


@pytest.mark.parametrize("at_once", [1, 2])
def test_dropout_is_seeded(at_once):
    net = Stateless(tiny.net(dropout=True))
    start = stacked([net.initial(0)] * 2)
    x, y = torch.randn(5, 6, generator=stream(0, "x")), torch.tensor([0, 1, 0, 1, 1])

    def trained(seed):
        return train_networks(
            net, start, lambda step, rows: (x, y), torch.zeros(2, 2), Adam(5, 0.01, seed, at_once), tick=lambda n: None
        )

    assert not tiny.differing(trained(0), trained(0))
    assert tiny.differing(trained(0), trained(1))
    first = trained(0)["0.weight"]
    assert not torch.equal(first[0], first[1])  # each network drops its own


def test_batches_pass_over_all_examples_again_and_again():
    order = cycled(10, 4, 10, 0, "test").flatten()
    assert len(order) == 40
    for i in range(4):
        assert sorted(order[10 * i : 10 * i + 10].tolist()) == list(range(10))
    assert order[:10].tolist() != order[10:20].tolist()


# The linear classifier


def test_probe_is_ridge_with_the_best_penalty_left_one_out():
    """Against refitting without each example, by normal equations with an intercept that is not penalized."""
    generator = stream(0, "probe")
    y = torch.arange(24) % 3 + 5
    x = torch.randn(24, 4, generator=generator, dtype=torch.float64) + 0.7 * y[:, None]
    test_y = torch.arange(60) % 3 + 5
    test = torch.randn(60, 4, generator=generator, dtype=torch.float64) + 0.7 * test_y[:, None]

    def fit(x, y, penalty):
        a = np.hstack([x, np.ones((len(x), 1))])
        one_hot = (y[:, None] == np.array([5, 6, 7])).astype(float)
        return np.linalg.solve(a.T @ a + np.diag([penalty] * 4 + [0.0]), a.T @ one_hot)

    def answers(x, weights):
        return 5 + (np.hstack([x, np.ones((len(x), 1))]) @ weights).argmax(1)

    X, Y = x.numpy(), y.numpy()
    scale = ((X - X.mean(0)) ** 2).sum(1).mean()
    rights = []
    for penalty in PENALTIES:
        left_out = [np.arange(24) != i for i in range(24)]
        rights.append(
            sum(answers(X[i : i + 1], fit(X[k], Y[k], penalty * scale))[0] == Y[i] for i, k in enumerate(left_out))
        )
    best = max(p for p, right in zip(PENALTIES, rights, strict=True) if right == max(rights))
    expected = (answers(test.numpy(), fit(X, Y, best * scale)) == test_y.numpy()).mean()
    assert float(probe_accuracy(x, y, test, test_y)) == pytest.approx(expected)


def test_probe_does_not_see_rotation_shift_and_scale():
    generator = stream(1, "probe")
    x, y = torch.randn(40, 5, generator=generator), torch.randint(2, (40,), generator=generator)
    test, test_y = torch.randn(90, 5, generator=generator), torch.randint(2, (90,), generator=generator)
    turn = torch.linalg.qr(torch.randn(5, 5, generator=generator, dtype=torch.float64)).Q
    turned = [3 * part.double() @ turn + 7 for part in (x, test)]
    assert probe_accuracy(x, y, test, test_y) == probe_accuracy(turned[0], y, turned[1], test_y)


def test_probe_of_features_without_variance_answers_with_the_largest_class():
    y = torch.tensor([1, 1, 1, 4])
    assert probe_accuracy(torch.ones(4, 3), y, torch.ones(2, 3), torch.tensor([1, 4])) == 0.5


# All of it


def test_gains_are_accuracy_less_that_of_the_beginning():
    found = measure()
    for key in KEYS:
        matrix = found[key]
        assert matrix.samples.shape == (2, 3, 3)
        np.testing.assert_allclose(matrix.values, matrix.samples.mean(0))
        baseline = np.array(matrix.settings["baseline"])
        assert ((matrix.values + baseline >= -1e-12) & (matrix.values + baseline <= 1 + 1e-12)).all()


def test_source_that_did_not_learn_gains_nothing():
    """With steps too small to change a number, every source is the baseline."""
    for matrix in measure(lr=1e-30).values():
        np.testing.assert_array_equal(matrix.samples, 0)


def test_related_tasks_gain_and_the_task_itself_most():
    groups = [0, 0, 1, 1]
    sequence = cl.sequences.related_gaussians(
        4, relatedness=0.8, groups=groups, classes=4, dim=12, separation=3.0, train=100, test=100
    )
    net = cl.networks.mlp(sequence.input_shape, (6,), 4)
    found = measure(
        sequence, net=net, epochs=10, lr=0.01, batch_size=32, fine_tune_steps=20, fine_tune_lr=0.003, repeats=3
    )
    own = np.eye(4, dtype=bool)
    kin = np.equal.outer(groups, groups) & ~own
    for matrix in found.values():
        assert matrix.values[own].mean() > matrix.values[kin].mean() > matrix.values[~kin & ~own].mean()
        assert matrix.values[own].mean() > 0


@pytest.mark.parametrize("net", [tiny.net(2, batch_norm=True), tiny.net(2, dropout=True)])
def test_same_seed_gives_the_same_and_another_seed_does_not(net):
    hard = tiny.sequence(3, noise=2.0)
    first = measure(hard, net=net)
    assert same(first, measure(hard, net=net))
    assert not same(first, measure(hard, net=net, seed=1))
    assert not np.array_equal(first[KEYS[0]].samples[0], first[KEYS[0]].samples[1])


@pytest.mark.parametrize("scenario", ["task", "domain", "class"])
def test_number_of_networks_at_once_does_not_matter(scenario):
    sequence = tiny.sequence(3, scenario=scenario, noise=2.0)
    a, b = (measure(sequence, batch_networks=size, repeats=1) for size in (1, 16))
    for key in KEYS:
        np.testing.assert_allclose(a[key].values, b[key].values, atol=1 / 30 + 1e-9)  # one test example, on an edge
        assert (a[key].values == b[key].values).mean() >= 8 / 9


def test_network_and_global_modes_are_left_alone():
    net = tiny.net(batch_norm=True).eval()
    before = tiny.copied(net.state_dict())
    measure(net=net, repeats=1)
    assert not tiny.differing(before, net.state_dict())
    assert not net.training
    assert torch.is_grad_enabled()


def test_matrices_can_be_kept(tmp_path):
    for matrix in measure(repeats=1).values():
        again = TransferMatrix.open(matrix.save(tmp_path / "m.json"))
        assert again.settings == matrix.settings
        assert again.settings["epochs"] == 2


# The cache


@pytest.fixture
def trainings(monkeypatch):
    """The trainings done, by number of networks; `stop_after` of them Ctrl-C is pressed."""
    calls = []
    calls_allowed = {"stop_after": None}

    def counted(net, start, *args, **keywords):
        if calls_allowed["stop_after"] == len(calls):
            raise KeyboardInterrupt
        calls.append(len(next(iter(start.values()))))
        return train_networks(net, start, *args, **keywords)

    monkeypatch.setattr(_measured, "train_networks", counted)
    return calls, calls_allowed


def test_what_was_computed_is_not_computed_again(tmp_path, trainings):
    calls, _ = trainings
    first = measure(cache=tmp_path)
    assert calls == 2 * [3, 4, 4, 4]
    assert same(first, measure(cache=tmp_path))
    assert len(calls) == 8
    more = measure(cache=tmp_path, repeats=3)
    assert len(calls) == 12
    for key in KEYS:
        np.testing.assert_array_equal(more[key].samples[:2], first[key].samples)
    assert same(first, measure())


@pytest.mark.parametrize("stop", [0, 1, 3, 4, 7])
def test_interrupted_measurement_goes_on(tmp_path, trainings, stop):
    calls, allowed = trainings
    whole = measure()
    calls.clear()
    allowed["stop_after"] = stop
    with pytest.raises(KeyboardInterrupt):
        measure(cache=tmp_path)
    allowed["stop_after"] = None
    assert same(whole, measure(cache=tmp_path))
    assert len(calls) == 8


def test_bar_counts_every_step_once_however_much_was_done(tmp_path, trainings, monkeypatch):
    bars = []

    class Bar:
        def __init__(self, *, total, **keywords):
            self.left = total
            bars.append(self)

        def update(self, count):
            self.left -= count

        def __enter__(self):
            return self

        def __exit__(self, *error):
            pass

    monkeypatch.setattr(_measured, "tqdm", Bar)
    measure()
    trainings[1]["stop_after"] = len(trainings[0]) + 2
    with pytest.raises(KeyboardInterrupt):
        measure(cache=tmp_path)
    trainings[1]["stop_after"] = None
    measure(cache=tmp_path)
    measure(cache=tmp_path)
    assert [bar.left == 0 for bar in bars] == [True, False, True, True]


def test_other_configurations_have_folders_of_their_own(tmp_path, trainings):
    calls, _ = trainings
    measure(cache=tmp_path, repeats=1)
    others = [
        {"seed": 1},
        {"epochs": 3},
        {"lr": 2e-3},
        {"target_samples": 17},
        {"fine_tune_steps": 4},
        {"fine_tune_lr": 2e-3},
        {"batch_size": 9},
        {"net": tiny.net(2, dropout=True)},
        {"net": with_tanh()},
        {"net": Stateless(tiny.net(), weights="given")},
        {"sequence": tiny.sequence(3, noise=0.31)},
        {"sequence": tiny.sequence(3).reorder([1, 0, 2])},
        {"sequence": tiny.sequence(3).as_scenario("domain")},
    ]
    for number, change in enumerate(others, 2):
        measure(cache=tmp_path, repeats=1, **change)
        assert len(list(tmp_path.iterdir())) == number, change
    assert len(calls) == 4 * (len(others) + 1)
    for folder in tmp_path.iterdir():
        assert json.loads((folder / "configuration.json").read_text())["settings"]["batch_size"]


def test_frozen_weights_count(tmp_path):
    for value in (0.1, 0.2):
        net = tiny.net()
        nn.init.constant_(net[0].weight, value)
        net[0].requires_grad_(False)
        measure(cache=tmp_path, repeats=1, net=net)
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("damage", [b"", b"{}", b"[1, 2", b'{"linear_probe": [NaN], "fine_tune": [1]}', b"\xff"])
@pytest.mark.parametrize("name", ["target-0-1.json", "sources-1.safetensors"])
def test_damaged_files_are_computed_again(tmp_path, name, damage):
    first = measure(cache=tmp_path)
    (file,) = tmp_path.glob(f"*/{name}")
    file.write_bytes(damage)
    if name.startswith("sources"):
        (file.parent / "target-1-2.json").unlink()
    with pytest.warns(RuntimeWarning, match="computed again"):
        assert same(first, measure(cache=tmp_path))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert same(first, measure(cache=tmp_path))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"repeats": 0}, "repeats"),
        ({"epochs": 0}, "epochs"),
        ({"lr": 0}, "lr above 0"),
        ({"fine_tune_lr": -1}, "fine_tune_lr above 0"),
        ({"target_samples": 3}, "two of each class"),
        ({"batch_networks": 0}, "batch_networks"),
        ({"net": tiny.net(), "sequence": cl.sequences.split_digits()}, "does not take inputs"),
        ({"net": tiny.net(1)}, "1 outputs"),
        ({"sequence": cl.sequences.split_digits(1, scenario="class")[:2]}, "single class"),
    ],
)
def test_errors_come_before_training(change, message, trainings, tmp_path):
    with pytest.raises(ValueError, match=message):
        measure(cache=tmp_path, **change)
    assert trainings[0] == []
    assert list(tmp_path.iterdir()) == []
