"""Theorems about superposed masks; autograd through the mixture itself is the oracle."""

import math
from functools import partial

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.testing import assert_close

from cltoolkit.masks import (
    Layout,
    Masks,
    Superposition,
    _superposition,
    binary,
    entropy,
    exhaustive,
    one_shot,
    over_real_units,
    pack_bits,
    superfluous_energy,
    task_entropies,
    task_gradients,
)
from cltoolkit.params import Params, Stateless
from cltoolkit.randomness import seeded, stream

REAL = torch.tensor([0, 1, 3])
OBJECTIVES = {
    "entropy": entropy,
    "entropy of real units": partial(over_real_units, units=REAL),
    "superfluous": partial(superfluous_energy, units=REAL),
}


def mlp(batch_norm: bool = False) -> nn.Module:
    norm = [nn.BatchNorm1d(5)] if batch_norm else []
    with seeded(0, "test"):
        return nn.Sequential(nn.Flatten(), nn.Linear(36, 7), nn.Tanh(), nn.Linear(7, 5), *norm, nn.Linear(5, 6))


def conv(batch_norm: bool = False) -> nn.Module:
    norm = [nn.BatchNorm2d(3)] if batch_norm else []
    with seeded(0, "test"):
        return nn.Sequential(
            nn.Conv2d(1, 3, 3), *norm, nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(3, 2, 2, bias=False), nn.Flatten(),
            nn.Linear(2, 6),
        )  # fmt: skip


NETS = {"mlp": mlp, "conv": conv}


def normal(*shape: int, key: str = "x") -> Tensor:
    return torch.randn(shape, generator=stream(0, "test", key), dtype=torch.float64)


def made(module: nn.Module, tasks: int = 5, objective: str = "entropy") -> Superposition:
    """Random masks over random weights in double precision."""
    net = Stateless(module)
    layout = Layout.of(net)
    masks = Masks(pack_bits(torch.rand(tasks, layout.size, generator=stream(0, "masks", tasks)) < 0.4), layout)
    rest = {name: value for name, value in net.initial(0).items() if name not in layout.shapes}
    rest = {name: value.double() if value.is_floating_point() else value for name, value in rest.items()}
    return Superposition(net, normal(layout.size, key="base"), masks, rest, OBJECTIVES[objective])


def stack(s: Superposition) -> Tensor:
    """All masks as floats `(T, P)`."""
    return torch.stack([s.masks[t] for t in range(len(s.masks))]).double()


def by_autograd(s: Superposition, images: Tensor, alpha: Tensor) -> Tensor:
    """∂H/∂α `(T,)` of one group, through the sum over the stack of masks."""
    alpha = alpha.clone().requires_grad_()
    params = s.layout.unpack(s.base * (alpha @ stack(s))) | {k: v.clone() for k, v in s.rest.items()}
    logits = s.net(params, images, training=bool(s.net.buffers))
    return torch.autograd.grad(s.objective(logits).mean(), alpha)[0]


# The gradient


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("batch_norm", [False, True])
@pytest.mark.parametrize("kind", NETS)
@pytest.mark.parametrize("mixture", ["equal", "own"])
def test_products_with_packed_masks_are_the_gradients_of_autograd(
    kind: str, batch_norm: bool, objective: str, mixture: str
) -> None:
    s, x = made(NETS[kind](batch_norm), objective=objective), normal(4, 3, 1, 6, 6)
    equal = torch.full((4, 5), 1 / 5, dtype=torch.float64)
    alpha = equal if mixture == "equal" else normal(4, 5, key="alpha").softmax(1)
    expected = torch.stack([by_autograd(s, group, a) for group, a in zip(x, alpha, strict=True)])
    assert expected.abs().max() > 1e-4
    given = None if mixture == "equal" else alpha
    assert_close(task_gradients(s, x, given), expected, atol=1e-9, rtol=0)
    one = task_gradients(s, x[:1], None if given is None else given[:1])
    assert_close(one, expected[:1], atol=1e-9, rtol=0)


def test_groups_in_chunks_are_the_groups_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    s, x = made(mlp()), normal(7, 2, 1, 6, 6)
    whole, alone = task_gradients(s, x), task_entropies(s, x)
    for at_once in (1, 3 * 2 * s.layout.size):
        monkeypatch.setattr(_superposition, "AT_ONCE", at_once)
        assert_close(task_gradients(s, x), whole, atol=1e-12, rtol=0)
        assert_close(task_entropies(s, x), alone, atol=1e-12, rtol=0)


def test_it_works_where_gradients_are_off_and_leaves_none_behind() -> None:
    s, x = made(mlp()), normal(3, 2, 1, 6, 6)
    expected = task_gradients(s, x)
    assert not expected.requires_grad
    with torch.inference_mode():
        inside = task_gradients(made(mlp()), x * 1.0)
    assert_close(inside, expected, atol=0, rtol=0)


def test_of_one_mask_alone_the_answers_are_its_own() -> None:
    """α = e_i is task i."""
    s, x = made(conv()), normal(3, 1, 6, 6)
    for i, row in enumerate(torch.eye(5, dtype=torch.float64)):
        own = s.net(s.layout.unpack(s.base * s.masks[i]) | s.rest, x)
        assert torch.equal(s.logits(s.weights(row), x), own)


def test_equal_parts_are_the_count_of_masks() -> None:
    s = made(mlp())
    assert_close(s.weights(), s.weights(torch.full((5,), 0.2, dtype=torch.float64)), atol=1e-15, rtol=0)


def test_batch_statistics_leave_the_stored_ones_alone() -> None:
    s, x = made(mlp(batch_norm=True)), normal(3, 2, 1, 6, 6)
    before = {name: value.clone() for name, value in s.rest.items()}
    one_shot(s, x)
    assert all(torch.equal(s.rest[name], value) for name, value in before.items())


# The objectives


def test_superfluous_units_have_the_gradient_of_the_cross_entropy_and_the_others_none() -> None:
    """Lemma 1: whatever the label."""
    for label in REAL:
        y = normal(4, 6).requires_grad_()
        (free,) = torch.autograd.grad(superfluous_energy(y, REAL).sum(), y)
        (told,) = torch.autograd.grad(F.cross_entropy(y, label.expand(4), reduction="sum"), y)
        assert_close(free[:, [2, 4, 5]], told[:, [2, 4, 5]], atol=1e-12, rtol=0)
        assert not free[:, REAL].any()


def test_superfluous_energy_is_the_log_of_the_sum() -> None:
    y = normal(4, 6)
    assert_close(superfluous_energy(y, REAL), y.exp().sum(1).log())


def test_entropy_is_that_of_torch_and_closed_units_do_not_count() -> None:
    y = normal(4, 6)
    assert_close(entropy(y), torch.distributions.Categorical(logits=y).entropy())
    closed = y.clone()
    closed[:, [2, 4, 5]] = -torch.inf
    assert_close(entropy(closed), over_real_units(y, REAL))


def test_entropy_of_a_sure_answer_has_a_finite_gradient() -> None:
    y = torch.tensor([500.0, 0.0, -500.0], requires_grad=True)
    entropy(y).backward()
    assert y.grad is not None
    assert torch.isfinite(y.grad).all()


# The decisions


@pytest.mark.parametrize("tasks", range(1, 41))
def test_binary_takes_the_logarithm_of_rounds(tasks: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rounds = []
    slopes = normal(3, tasks, key=f"slopes {tasks}")

    def counted(s: Superposition, x: Tensor, alpha: Tensor | None = None) -> Tensor:
        rounds.append(torch.full((3, tasks), 1 / tasks) if alpha is None else alpha)
        return slopes

    monkeypatch.setattr(_superposition, "task_gradients", counted)
    found = binary(made(mlp(), tasks), normal(3, 1, 1, 6, 6))
    assert len(rounds) == math.ceil(math.log2(tasks))
    assert found.tolist() == slopes.argmin(1).tolist()  # slopes that do not change: the steepest survives
    left = tasks
    for alpha in rounds:
        assert ((alpha > 0).sum(1) == left).all()
        assert_close(alpha.double().sum(1), torch.ones(3).double(), rtol=1e-6, atol=0)
        left = math.ceil(left / 2)


def test_binary_is_the_loop_over_groups_and_tasks() -> None:
    s, x = made(mlp(), 11), normal(6, 2, 1, 6, 6)

    def naive(images: Tensor, base: int) -> int:
        left = list(range(11))
        while len(left) > 1:
            alpha = torch.tensor([(t in left) / len(left) for t in range(11)], dtype=torch.float64)
            slopes = by_autograd(s, images, alpha).tolist()
            steepest = sorted((slopes[t], t) for t in left)[: math.ceil(len(left) / base)]
            left = sorted(t for _, t in steepest)
        return left[0]

    for base in (2, 3):
        assert binary(s, x, base=base).tolist() == [naive(images, base) for images in x]


def test_among_equal_masks_the_first_is_found() -> None:
    s = made(mlp(), 1)
    same = Superposition(s.net, s.base, Masks(s.masks.bits.expand(5, -1), s.layout), s.rest)
    x = normal(3, 2, 1, 6, 6)
    assert one_shot(same, x).tolist() == binary(same, x).tolist() == exhaustive(same, x).tolist() == [0, 0, 0]


def test_no_task_is_found_that_was_not_learned() -> None:
    """Even where every mask makes the answer less sure; one that nobody learned would have a gradient of 0 there."""
    s, x = made(mlp(), 4), normal(200, 1, 1, 6, 6)
    worse = Superposition(s.net, s.base, s.masks, s.rest, lambda y: -entropy(y))
    assert sum(int((task_gradients(each, x) > 0).all(1).sum()) for each in (s, worse)) > 20
    for each in (s, worse):
        for find in (one_shot, binary, exhaustive):
            assert 0 <= int(find(each, x).min()) <= int(find(each, x).max()) < 4


@pytest.mark.parametrize("tasks", [1, 2, 5])
def test_exhaustive_is_the_least_entropy_of_single_masks(tasks: int) -> None:
    s, x = made(conv(), tasks), normal(7, 2, 1, 6, 6)
    alone = [torch.stack([entropy(s.logits(s.base * mask, images)).mean() for images in x]) for mask in s.masks]
    assert_close(task_entropies(s, x), torch.stack(alone, 1), atol=1e-12, rtol=0)
    assert exhaustive(s, x).tolist() == torch.stack(alone, 1).argmin(1).tolist()


def test_entropies_of_tasks_with_different_classes_are_relative() -> None:
    """Constant logits have the largest entropy, 1, whatever the number of units."""
    s = made(mlp(), 2)
    none = Masks(torch.zeros_like(s.masks.bits), s.layout)
    flat = Superposition(s.net, s.base, none, {name: torch.zeros_like(value) for name, value in s.rest.items()})
    units = [(0, 1), (2, 3, 4, 5)]
    assert_close(task_entropies(flat, normal(3, 1, 1, 6, 6), units=units), torch.ones(3, 2).double())


def test_exhaustive_asks_each_mask_with_its_own_statistics() -> None:
    s, x = made(mlp(batch_norm=True), 3), normal(5, 1, 1, 6, 6)
    own: Params = {
        "4.running_mean": normal(3, 5, key="mean"),
        "4.running_var": normal(3, 5, key="var").exp(),
        "4.num_batches_tracked": torch.zeros(3, dtype=torch.long),
    }
    expected = [
        entropy(s.net(s.layout.unpack(s.base * mask) | s.rest | {k: v[t] for k, v in own.items()}, x[:, 0]))
        for t, mask in enumerate(s.masks)
    ]
    assert_close(task_entropies(s, x, own=own), torch.stack(expected, 1), atol=1e-12, rtol=0)


# What is refused


def test_one_image_gives_batch_norm_no_statistics() -> None:
    s = made(mlp(batch_norm=True))
    with pytest.raises(ValueError, match=r"expected 2 images or more for one decision; got 1.*exhaustive"):
        one_shot(s, normal(3, 1, 1, 6, 6))


def test_what_does_not_fit_is_refused() -> None:
    s = made(mlp())
    with pytest.raises(ValueError, match="expected the mask of one task or more; got none"):
        Superposition(s.net, s.base, Masks(s.masks.bits[:0], s.layout), s.rest)
    with pytest.raises(ValueError, match=rf"expected {s.layout.size} weights"):
        Superposition(s.net, s.base[1:], s.masks, s.rest)
    with pytest.raises(ValueError, match="expected base of 2 or more"):
        binary(s, normal(1, 1, 1, 6, 6), base=1)
