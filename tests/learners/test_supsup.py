"""SupSup: weights that never move, a mask for each task, and what scores begin with."""

import pytest
import tiny
import torch
from torch import Tensor, nn
from torch.testing import assert_close

import cltoolkit as cl
from cltoolkit import learners
from cltoolkit.learners import MaskLearner, SupSup
from cltoolkit.masks import KNNInitializer, num_kept
from cltoolkit.randomness import seeded
from cltoolkit.training import steps

# Networks so small are full after a few tasks, and say so; one test asks for that.
pytestmark = pytest.mark.filterwarnings("ignore::cltoolkit.learners.CapacityWarning")

PROBE = torch.linspace(-1, 1, 5 * tiny.FEATURES).view(5, tiny.FEATURES)
MASKED = ("SupSup", "ExSSNeT")
every_name = pytest.mark.parametrize("name", MASKED)


def learned(name: str = "SupSup", *, tasks: int = 3, batch_norm: bool = False, **config: object) -> MaskLearner:
    learner = tiny.learner(name, batch_norm=batch_norm, **config)
    assert isinstance(learner, MaskLearner)
    for _ in steps(learner, tiny.sequence(tasks), epochs=4, batch_size=8, device="cpu"):
        pass
    return learner


def bits(value: Tensor) -> Tensor:
    return value.detach().clone().view(torch.int32)


def test_no_weight_ever_moves() -> None:
    learner = tiny.learner("SupSup")
    assert isinstance(learner, SupSup)
    learner.start()
    before = bits(learner.base)
    for _ in steps(learner, tiny.sequence(3), epochs=4, batch_size=8, device="cpu"):
        assert torch.equal(bits(learner.base), before)


@every_name
@pytest.mark.parametrize("density", [0.1, 0.2, 0.4])
def test_every_mask_keeps_just_so_many_weights_of_each_layer(name: str, density: float) -> None:
    learner = learned(name, density=density, lr=0.3)
    expected = [num_kept(size, density) for size in learner.layout.sizes]
    assert learner.masks.counts().tolist() == [expected] * 3


@every_name
def test_what_answers_is_zero_outside_of_the_mask_and_the_network_inside(name: str) -> None:
    learner = learned(name)
    for t in range(3):
        flat, mask = learner.layout.pack(learner.params(t)), learner.masks[t]
        assert torch.equal(flat[mask], learner.base[mask])
        assert not bits(flat[~mask]).any()  # no zero with a sign, which would be other bits


@every_name
def test_what_is_kept_of_a_task_is_about_a_bit_a_weight(name: str) -> None:
    """From task to task the state grows by the mask, a hash, and a few numbers however large the network is."""
    with seeded(0, "test"):
        net = nn.Sequential(nn.Linear(tiny.FEATURES, 200), nn.ReLU(), nn.Linear(200, 200), nn.ReLU(), nn.Linear(200, 2))
    sizes = []
    for tasks in (2, 3):
        learner = learners.build(name, net, {"density": 0.3})
        for _ in steps(learner, tiny.sequence(tasks), epochs=2, batch_size=8, device="cpu"):
            pass
        sizes.append(sum(value.numel() * value.element_size() for value in learner.state()[0].values()))
    assert isinstance(learner, MaskLearner)
    assert 8 * (sizes[1] - sizes[0]) <= 1.05 * learner.layout.size


@every_name
def test_batch_norm_statistics_belong_to_a_task(name: str) -> None:
    learner = learned(name, batch_norm=True)
    means = [learner.params(t)["1.running_mean"] for t in range(3)]
    assert not torch.equal(means[0], means[1])
    assert all(learner.params(t)["1.weight"].eq(1).all() for t in range(3))
    assert learner.verify()


def test_scores_may_begin_as_the_mean_of_earlier_ones() -> None:
    learner = tiny.learner("SupSup", transfer="running_mean")
    assert isinstance(learner, SupSup)
    sequence, ends = tiny.sequence(3), []
    for step in steps(learner, sequence, epochs=4, batch_size=8, device="cpu"):
        if step.ended:
            ends.append(learner.scores.detach().clone())
            masks = [learner.masks[t].clone() for t in range(len(ends))]
            assert_close(learner.mean, torch.stack(ends).mean(0))
        elif ends and step.task == len(ends):
            assert all(torch.equal(learner.masks[t], mask) for t, mask in enumerate(masks))
    start = learner.starting(3)
    assert start is not None
    assert_close(learner.layout.pack(start), learner.base * learner.select(torch.stack(ends).mean(0)))


def test_copied_scores_are_copies() -> None:
    """The donor's scores and mask stay what they were, whatever becomes of the task that starts from them."""
    learner = tiny.learner("SupSup", initializer=KNNInitializer(rule="always", fraction=1.0))
    assert isinstance(learner, SupSup)
    kept: dict[int, tuple[Tensor, Tensor]] = {}
    for step in steps(learner, tiny.sequence(3), epochs=4, batch_size=8, device="cpu"):
        for t, (scores, mask) in kept.items():
            assert torch.equal(learner.record.scores[t], scores)
            assert torch.equal(learner.masks[t], mask)
        if step.ended:
            kept[step.task] = (learner.record.scores[step.task].clone(), learner.masks[step.task].clone())
    assert learner.donors[0] is None
    assert None not in learner.donors[1:]


@every_name
@pytest.mark.parametrize("keep", ["scores", "half", "mask"])
def test_a_task_starts_from_its_donors_mask(name: str, keep: str) -> None:
    initializer = KNNInitializer(rule="always", fraction=1.0)
    learner = learned(name, tasks=2, keep=keep, initializer=initializer)
    task = tiny.task(2)
    learner.begin(task, learner.phases(task)[0])
    donor = learner.donors[2]
    assert donor is not None
    start, mask = learner.select(learner.scores).bool(), learner.masks[donor]
    if keep == "half":  # rounding moves the border a little
        assert (start ^ mask).sum() <= 4
    else:
        assert torch.equal(start, mask)


@every_name
@pytest.mark.parametrize("keep", ["scores", "mask"])
def test_a_resumed_search_with_a_donor_goes_on_to_the_same_bytes(name: str, keep: str) -> None:
    config = {"keep": keep, "initializer": {"rule": "always", "fraction": 1.0}}
    whole = learned(name, **config)
    first, second = tiny.learner(name, **config), tiny.learner(name, **config)
    for step in steps(first, tiny.sequence(3), epochs=4, batch_size=8, device="cpu"):
        if (step.task, step.step) == (1, 3):
            break
    second.restore(*first.state())
    for _ in steps(second, tiny.sequence(3), epochs=4, batch_size=8, device="cpu", start=step.next):
        pass
    assert tiny.differing(second.state()[0], whole.state()[0]) == []


@every_name
def test_data_comes_in_the_same_order_with_and_without_a_donor(name: str) -> None:
    """Nothing that the initializer draws moves anything else: the first task is the same to the bit."""
    plain, warm = learned(name), learned(name, initializer={"fraction": 1.0})
    assert torch.equal(plain.masks[0], warm.masks[0])
    assert torch.equal(plain.logits(PROBE, 0), warm.logits(PROBE, 0))


@every_name
def test_the_record_says_who_owns_what_and_who_gave(name: str) -> None:
    learner = tiny.learner(name, initializer={"rule": "always", "fraction": 1.0})
    run = cl.train(learner, tiny.sequence(3), epochs=4, batch_size=8, progress=False, device="cpu")
    assert isinstance(learner, MaskLearner)
    kept, owned, together = run.series["kept"], run.series["exclusive"], run.series["overlap"]
    assert kept[-1].tolist() == learner.masks.counts().tolist()
    assert owned[-1].sum() == learner.masks.used().sum()
    assert (owned[-1] <= kept[-1]).all()
    assert together[-1].diagonal().tolist() == kept[-1].sum(1).tolist()
    assert run.series["unchanged"][-1].all()
    assert run.series["donor"][-1, :, 0].tolist() == [-1 if d is None else d for d in learner.donors]
    first = learner.donors[1]
    assert first == 0
    assert run.series["moved"][-1, 1, 0] == (learner.masks[1] ^ learner.masks[0]).sum()


@every_name
def test_any_module_can_be_masked(name: str) -> None:
    """One that knows nothing of masks, with a convolution, a norm with gains, and an embedding of its own kind."""

    class Mixed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.shift = nn.Parameter(torch.ones(1, 1, tiny.FEATURES))
            self.conv = nn.Conv1d(1, 4, 3)
            self.norm = nn.GroupNorm(2, 4)
            self.head = nn.Linear(16, 2)

        def forward(self, x: Tensor) -> Tensor:
            return self.head(torch.relu(self.norm(self.conv(x[:, None] * self.shift))).flatten(1))

    with seeded(0, "test"):
        learner = learners.build(name, Mixed(), {"density": 0.5})
    for _ in steps(learner, tiny.sequence(2), epochs=4, batch_size=8, device="cpu"):
        pass
    assert isinstance(learner, MaskLearner)
    assert learner.layout.names == ("shift", "conv.weight", "head.weight")
    assert learner.verify()


def test_weights_that_come_with_the_network_can_be_masked() -> None:
    with seeded(0, "test"):
        net = nn.Sequential(nn.Linear(tiny.FEATURES, 8), nn.ReLU(), nn.Linear(8, 2))
    learner = SupSup(cl.Stateless(net, weights="given"), initialization="network", density=0.5)
    learner.start()
    assert torch.equal(learner.base, learner.layout.pack(dict(net.named_parameters())).detach())
    assert torch.equal(learner.rest.values()["0.bias"], net[0].bias)


@every_name
@pytest.mark.parametrize(
    ("config", "match"),
    [
        ({"density": 0.0}, "density"),
        ({"density": 1.5}, "density"),
        ({"rule": "best"}, "expected rule to be one of 'top_k', 'threshold'; got 'best'"),
        ({"optimizer": "adan"}, "expected optimizer to be one of"),
        ({"schedule": "linear"}, "expected schedule to be one of"),
        ({"weight_decay": -1.0}, "expected weight_decay of at least 0"),
        ({"momentum": 1.0}, "expected momentum from 0 to below 1"),
        ({"keep": "all"}, "expected keep to be one of"),
        ({"densities": "mine"}, "densities"),
        ({"initializer": {"neighbors": 0}}, "expected neighbors"),
    ],
)
def test_what_cannot_be_is_refused(name: str, config: dict[str, object], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        tiny.learner(name, **config)
