"""HopSupSup: masks of units that a Hopfield network brings back, for inputs alone."""

from functools import reduce

import numpy as np
import pytest
import tiny
import torch
from torch import nn
from torch.func import functional_call
from torch.nn import functional as F
from torch.testing import assert_close

import cltoolkit as cl
from cltoolkit.learners import HopSupSup
from cltoolkit.learners._recovery import speaking
from cltoolkit.masks import code, energy, storkey
from cltoolkit.randomness import seeded, stream
from cltoolkit.training import evaluate, infer_task, steps

WIDTH = 256
DIGITS = cl.sequences.split_digits(scenario="domain")


def target(width=WIDTH, outputs=2, *, activation=nn.SiLU, dropout=0.0):
    """The published kind of network: two hidden layers of x σ(x)."""

    def layer(fan_in):
        return nn.Linear(fan_in, width), nn.BatchNorm1d(width), activation(), nn.Dropout(dropout)

    with seeded(0, "test"):
        return nn.Sequential(nn.Flatten(), *layer(64), *layer(width), nn.Linear(width, outputs))


def learned(sequence=DIGITS, *, epochs=10, net=None, **config):
    learner = HopSupSup(net or target(outputs=sequence.num_classes), **config)
    for _ in steps(learner, sequence, epochs=epochs, device="cpu"):
        pass
    return learner


@pytest.fixture(scope="module")
def digits():
    """Split digits, learned; shared, so tests only look at it."""
    return learned()


def examples(t):
    return DIGITS[t].test.take(torch.arange(len(DIGITS[t].test)))


def recovery(learner, t):
    x, _ = examples(t)
    return learner.recover([x] * learner.recovery_steps)


# What inputs bring back


def test_inputs_bring_back_the_mask_of_their_task(digits):
    """Nearest in the end is that of the task, and by far: those of other tasks are about as far as random masks."""
    for t in range(5):
        found = recovery(digits, t)
        assert found.task == t
        wrong = found.distances[-1, torch.arange(5) != t].min()
        assert found.distances[-1, t] < 0.25 * wrong


def test_answers_under_it_are_nearly_those_under_the_mask_of_the_task(digits):
    accuracy = evaluate(digits, DIGITS)
    told = [
        (digits._logits(digits.masks[t], x).argmax(1) == y).double().mean()
        for t, (x, y) in enumerate(map(examples, range(5)))
    ]
    assert accuracy.mean() > 0.97
    assert np.abs(accuracy - np.array(told)).max() < 0.02


def test_the_task_is_inferred_for_all_inputs_given_together(digits):
    for t in range(5):
        x, _ = examples(t)
        assert infer_task(digits, x).tolist() == [t] * len(x)


def test_the_search_ends_surer_and_lower_than_it_began(digits):
    for t in range(5):
        found = recovery(digits, t)
        assert found.entropies[-1] < found.entropies[0]
        assert found.energies[-1] < found.energies[0]


def test_a_recovery_tells_of_every_step(digits):
    x, _ = examples(3)
    found = digits.recover([x, x[:9], x])
    assert found.mask.shape == (2 * WIDTH,)
    assert (found.entropies.shape, found.energies.shape, found.distances.shape) == ((3,), (4,), (4, 5))
    start = digits.total >= 0
    z = code(torch.stack([start, found.mask])).split(WIDTH, -1)
    low = sum(energy(weights, layer) for weights, layer in zip(digits.memory.values(), z, strict=True))
    assert_close(found.energies[[0, -1]], low)
    assert found.distances[-1].tolist() == [int((found.mask != mask).sum()) for mask in digits.masks]


def test_it_is_the_same_each_time_and_leaves_no_trace(digits):
    before = tiny.copied(digits.state()[0])
    first, second = recovery(digits, 2), recovery(digits, 2)
    assert tiny.differing(vars(first), vars(second)) == []
    assert tiny.differing(digits.state()[0], before) == []


def test_answers_do_not_depend_on_the_order_of_the_inputs(digits):
    x, _ = examples(1)
    order = torch.randperm(len(x), generator=stream(0, "shuffled"))
    mask = digits.masks[1]
    assert_close(digits._logits(mask, x[order]), digits._logits(mask, x)[order])


def test_a_task_that_is_being_learned_counts(digits):
    sequence, x = DIGITS[:2], examples(1)[0]
    learner = HopSupSup(target())
    for step in steps(learner, sequence, epochs=5, device="cpu"):
        if step.task == 1 and not step.ended:
            found = learner.recover([x, x])
            assert found.distances.shape == (3, 2)
            assert torch.equal(learner._known_masks()[1], learner.scores >= 0)
            break


@pytest.mark.parametrize("scenario", ["task", "domain", "class"])
def test_a_single_task_is_found_at_once(scenario):
    """The mean of one code is the code."""
    sequence = DIGITS[:1].as_scenario(scenario)
    learner = learned(sequence, epochs=1)
    assert learner.recover([examples(0)[0]]).distances[0].tolist() == [0]


# What is remembered


def test_the_memory_is_the_rule_applied_to_the_codes_of_the_masks_in_turn(digits):
    codes = [digits.gains.unpack(code(mask)) for mask in digits.masks]
    for name, weights in digits.memory.items():
        zeros = torch.zeros(WIDTH, WIDTH)
        assert torch.equal(weights, reduce(storkey, (z[name] for z in codes), zeros))


def test_the_codes_stored_lie_deeper_than_random_ones(digits):
    others = 2 * torch.randint(2, (100, WIDTH), generator=stream(0, "others")).float() - 1
    for name, low in zip(digits.gains.names, digits.series()["energy"].T, strict=True):
        assert low.max() < energy(digits.memory[name], others).min()


def test_without_kept_masks_answers_are_the_same_and_memory_does_not_grow(digits):
    learner = HopSupSup(target(), keep_masks=False)
    sizes = []
    for step in steps(learner, DIGITS, epochs=10, device="cpu"):
        if step.ended:
            sizes.append(sum(value.numel() for value in learner.state()[0].values()))
    assert len(set(sizes)) == 1
    assert evaluate(learner, DIGITS).tobytes() == evaluate(digits, DIGITS).tobytes()
    x, _ = examples(4)
    assert set(infer_task(learner, x).tolist()) == {-1}
    assert learner.recover([x]).distances.shape == (2, 0)
    assert learner.series() == {}
    with pytest.raises(ValueError, match="keeps no mask of task 0; inputs of the task bring it back"):
        learner.params(0)


def test_a_told_task_needs_its_mask():
    learner = HopSupSup(target(), keep_masks=False)
    with pytest.raises(ValueError, match="keep_masks=False\\) keeps none"):
        learner.start(scenario="task")


def test_a_mask_takes_one_bit_a_unit(digits):
    assert digits.bits.shape == (5, 2 * WIDTH / 8)
    assert torch.equal(digits.masks.total(), ((digits.total + 5) / 2).to(digits.masks.total().dtype))


# How a task is learned


def test_only_gains_are_learned_and_the_rest_is_drawn(digits):
    for t in range(5):
        params = digits.params(t)
        for name in digits.layout.names:
            assert_close(params[name].abs(), torch.full_like(params[name], (2 / params[name].shape[1]) ** 0.5))
            assert torch.equal(params[name], digits.params(0)[name])
        assert all(set(params[name].tolist()) == {0.0, 1.0} for name in digits.gains.names)
        assert not any(params[name].any() for name in digits.net.shapes if name.endswith("bias"))


def test_scores_take_the_gradient_of_the_gains():
    scores = torch.tensor([0.0, 0.3, -2.0], requires_grad=True)
    gains = speaking(scores)
    (gains * torch.tensor([1.0, 2.0, 3.0])).sum().backward()
    assert gains.tolist()[:2] == [1.0, 1.0]
    assert torch.equal(1 + gains.detach(), torch.tensor([2.0, 2.0, 1.0]))  # so little that it is lost beside 1
    assert scores.grad.tolist() == [1.0, 2.0, 3.0]


def test_with_relu_a_silent_unit_is_heard_of_again():
    """The gradient is that of f(x, m) = W (m ⊙ relu(BN(x))); at gains of exactly 0 it would be 0 for silent units."""
    x = torch.randn(20, 6, generator=stream(0, "x"))
    weight = torch.randn(3, 6, generator=stream(0, "w"))
    mask = torch.tensor([1.0, 0.0, 1.0, 0.0, 0.0, 1.0])

    def loss(outputs):
        return (F.linear(outputs, weight) ** 2).sum()

    def by_gains(gains):
        return loss(F.batch_norm(x, None, None, gains, torch.zeros(6), training=True).relu())

    def by_outputs(m):
        return loss(m * F.batch_norm(x, None, None, training=True).relu())

    scores = 2 * mask - 1
    grads = [
        torch.func.grad(f)(at)
        for f, at in ((by_outputs, mask), (lambda s: by_gains(speaking(s)), scores), (by_gains, mask))
    ]
    assert_close(grads[1], grads[0])
    assert grads[0].all()
    assert not grads[2][mask == 0].any()


def test_the_step_size_falls_with_every_step_to_nearly_nothing():
    learner, sizes = HopSupSup(target(8)), []
    for _ in steps(learner, DIGITS[:1], epochs=4, device="cpu"):
        sizes += [group["lr"] for optimizer in learner.optimizers.values() for group in optimizer.param_groups]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] == pytest.approx(0.1)
    assert sizes[-1] < 0.002


# Whose statistics normalize


def test_where_the_task_is_told_one_input_is_enough(digits):
    x, _ = examples(0)
    assert_close(digits.logits(x[:1], 0), digits.logits(x, 0)[:1])


def test_where_it_is_not_the_batch_normalizes_itself(digits):
    """As the network does in training, with any running statistics."""
    x, _ = examples(0)
    mask = digits.masks[2]
    params = digits.params(2)
    module = target()
    trained = functional_call(
        module.train(), params | {name: params[name].clone() for name in digits.net.buffers}, (x,)
    )
    assert_close(digits._logits(mask, x), trained)


def test_dropout_is_off_in_the_search():
    learner = learned(DIGITS[:2], net=target(dropout=0.5), epochs=2)
    x, _ = examples(1)
    assert tiny.differing(vars(learner.recover([x, x])), vars(learner.recover([x, x]))) == []


def test_inputs_made_in_inference_mode_serve(digits):
    with torch.inference_mode():
        x = examples(2)[0]
        found = digits.recover([x] * 30)
    assert tiny.differing(vars(found), vars(recovery(digits, 2))) == []


# What it refuses


def test_a_network_without_batch_norm_is_refused():
    with pytest.raises(
        ValueError, match=r"this network has none; build it with them: networks.mlp\(..., batch_norm=True\)"
    ):
        HopSupSup(cl.networks.mlp((1, 8, 8), (8,), 2))


def test_feature_maps_are_masked_as_a_whole():
    learner = HopSupSup(cl.networks.lenet((1, 28, 28), 10, batch_norm=True))
    assert [len(weights) for weights in learner.memory.values()] == [6, 16, 120, 84]


def test_one_input_has_no_statistics(digits):
    with pytest.raises(ValueError, match=r"at least 2 inputs, whose statistics normalize them; got \[1\]"):
        digits.recover([examples(0)[0][:1]])
    with pytest.raises(ValueError, match="at least 2 inputs"):
        infer_task(digits, examples(0)[0][:1])
    with pytest.raises(ValueError, match=r"got \[\]"):
        digits.recover([])


def test_nothing_comes_back_from_an_empty_memory():
    learner = HopSupSup(target(8))
    learner.start(scenario="domain")
    with pytest.raises(ValueError, match="knows a task; train it first"):
        learner.recover([examples(0)[0]])


@pytest.mark.parametrize("config", [{"recovery_steps": 0}, {"recovery_batch": 1}])
def test_a_search_without_steps_or_statistics_is_refused(config):
    with pytest.raises(ValueError, match="expected recovery_steps of at least 1, and recovery_batch of at least 2"):
        HopSupSup(target(8), **config)
