"""ExSSNeT: no weight of an earlier task is ever touched, whatever trains the others; and what that buys."""

import warnings
from collections.abc import Iterator
from itertools import islice

import numpy as np
import pytest
import tiny
import torch
from torch import Tensor

import cltoolkit as cl
from cltoolkit.learners import CapacityWarning, ExSSNeT, SupSup, _exssnet
from cltoolkit.masks import capacity, owners
from cltoolkit.tasks import TaskSequence
from cltoolkit.training import Step, steps

OPTIMIZERS = {
    "adam": {"optimizer": "adam"},
    "adamw": {"optimizer": "adamw", "weight_decay": 0.1},
    "sgd": {"optimizer": "sgd", "momentum": 0.9, "weight_decay": 0.01},
    "rmsprop": {"optimizer": "rmsprop", "weight_decay": 0.01},
}
# Networks so small are full after a few tasks, and say so; one test asks for that.
pytestmark = pytest.mark.filterwarnings("ignore::cltoolkit.learners.CapacityWarning")

PROBE = torch.linspace(-1, 1, 5 * tiny.FEATURES).view(5, tiny.FEATURES)


def make(**config: object) -> ExSSNeT:
    learner = tiny.learner("ExSSNeT", **{"lr_weights": 0.05, **config})
    assert isinstance(learner, ExSSNeT)
    return learner


def training(learner: ExSSNeT, sequence: TaskSequence | None = None, *, epochs: int = 4) -> Iterator[Step]:
    return steps(learner, sequence or tiny.sequence(4), epochs=epochs, batch_size=8, device="cpu")


def bits(value: Tensor) -> Tensor:
    """Numbers as the integers they are stored as: NaN and signs of 0 compare as well."""
    return value.detach().clone().view(torch.int32)


def learned(**config: object) -> ExSSNeT:
    learner = make(**config)
    for _ in training(learner):
        pass
    return learner


def test_the_search_for_a_mask_leaves_every_weight_as_it_is() -> None:
    learner, before = make(), None
    for step in training(learner):
        if step.phase == "mask":
            before = bits(learner.base) if before is None else before
            assert torch.equal(bits(learner.base), before)
        elif step.ended:
            before = None


@pytest.mark.parametrize("config", OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_training_changes_exclusive_weights_alone(config: dict[str, object]) -> None:
    learner = make(**config)
    learner.start()  # draws the weights that training will start with, too
    old, changed = bits(learner.base), 0
    for step in training(learner):
        if step.ended:
            owner, new = owners(learner.masks), bits(learner.base)
            moved = old != new
            assert not (moved & (owner != step.task)).any()
            changed += int(moved.sum())
            old = new
    assert changed > 0


@pytest.mark.parametrize("batch_norm", [False, True])
@pytest.mark.parametrize("config", OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_earlier_tasks_answer_with_the_same_bits_after_every_later_task(
    config: dict[str, object], batch_norm: bool
) -> None:
    learner = make(batch_norm=batch_norm, density=0.3, **config)  # so that there is room for all four
    said: list[Tensor] = []
    for step in training(learner):
        if step.ended:
            said.append(learner.logits(PROBE, step.task))
            for t, before in enumerate(said):
                assert torch.equal(learner.logits(PROBE, t), before)
            assert learner.verify()


def test_a_gradient_that_is_nan_outside_reaches_no_frozen_weight(monkeypatch: pytest.MonkeyPatch) -> None:
    learner, place = make(), _exssnet.placed

    def poisoned(values: Tensor, around: Tensor, index: Tensor) -> Tensor:
        out = place(values, around, index)
        outside = torch.ones(len(out), dtype=torch.bool)
        outside[index] = False
        if out.requires_grad:
            out.register_hook(lambda grad: grad.masked_fill(outside, torch.nan))
        return out

    monkeypatch.setattr(_exssnet, "placed", poisoned)
    for step in training(learner):
        if step.ended:
            assert torch.isfinite(learner.base).all()
            assert learner.verify()


def test_the_accuracy_of_a_learned_task_never_moves() -> None:
    run = cl.train(make(), tiny.sequence(4, noise=2.0), epochs=4, batch_size=8, progress=False, device="cpu")
    for j in range(4):
        assert len(set(run.accuracy[j + 1 :, j].tolist())) == 1
    assert run.metrics()["bwt"].item() == 0.0


def test_training_all_weights_of_a_mask_forgets() -> None:
    """The negative control: overlapping masks, and nothing exclusive."""
    learner = learned(exclusive=False)
    found = learner.verify()
    assert not found
    assert 0 in found.changed
    assert "no longer answered by the bits learned with" in repr(found)
    assert learner.series()["unchanged"][:, 0].tolist() == [float(same) for same in found.holds]


def test_masks_that_hold_the_same_weights_leave_nothing_to_train() -> None:
    learner = make(density=1.0)
    whole = training(learner, tiny.sequence(2))
    with pytest.warns(CapacityWarning, match="after task 0 few weights are left .* no task owns: 0.weight 0%"):
        next(step for step in whole if step.ended)
    said, base = learner.logits(PROBE, 0), bits(learner.base)
    with pytest.warns(CapacityWarning, match=r"task 1 has 0 of the 64 weights of its mask to itself"):
        list(whole)
    assert torch.equal(learner.logits(PROBE, 0), said)
    assert torch.equal(bits(learner.base), base)
    assert capacity(learner.masks)[:, 0].tolist() == list(learner.layout.sizes)


def test_training_weights_never_makes_validation_worse() -> None:
    learner, start = make(lr_weights=3.0), None  # steps that do harm
    sequence = tiny.sequence(3, noise=2.0)
    for step in training(learner, sequence):
        t = step.task
        if step.phase == "mask" and step.next.phase == 1:
            start = None
        elif step.phase == "weights" and start is None:
            start = float(learner.watched.best.score) if learner.watched.best is not None else None
        if step.ended:
            validation = sequence[t].validation
            assert validation is not None
            x, y = validation.take(torch.arange(len(validation)))
            units = torch.tensor(learner.units(t))
            now = float((units[learner.logits(x, t).argmax(1)] == y).double().mean())
            assert start is None or now >= start


@pytest.mark.parametrize("after", [14, 20, 22])
def test_an_interrupted_run_goes_on_to_the_same_bytes(after: int) -> None:
    """In the middle of a mask, at the border of the phases, and among the weights."""
    whole = learned()
    first = make()
    *_, last = islice(training(first), after)
    second = make()
    second.restore(*first.state())
    for _ in steps(second, tiny.sequence(4), epochs=4, batch_size=8, device="cpu", start=last.next):
        pass
    assert tiny.differing(second.state()[0], whole.state()[0]) == []


def test_the_network_says_when_it_is_nearly_full() -> None:
    with pytest.warns(CapacityWarning, match="Use a smaller density, or a wider network"):
        for _ in training(make(density=0.9), tiny.sequence(3), epochs=2):
            pass
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in training(make(density=0.1), tiny.sequence(3), epochs=2):
            pass


@pytest.mark.parametrize("share", [0.0, 1.0, -1.0, float("nan")])
def test_a_phase_that_takes_everything_is_refused(share: float) -> None:
    with pytest.raises(ValueError, match="mask_share between 0 and 1"):
        make(mask_share=share)


def test_digits_are_learned_and_none_is_forgotten() -> None:
    sequence = cl.sequences.split_digits()
    learner = ExSSNeT(cl.networks.mlp(sequence.input_shape, (300, 100), sequence.num_classes))
    run = cl.train(learner, sequence, epochs=20, progress=False, device="cpu")
    assert run.accuracy[-1].mean() >= 0.97
    assert np.array_equal(np.tril(run.accuracy[1:]), np.tril(np.broadcast_to(run.accuracy[-1], (5, 5))))
    assert learner.verify()


@pytest.mark.slow
def test_trained_weights_help_where_masks_are_thin() -> None:
    """Digits, 2 to 10 % of the weights kept, three seeds: on average no worse than masks of random weights."""
    sequence = cl.sequences.split_digits()
    net = cl.networks.mlp(sequence.input_shape, (300, 100), sequence.num_classes)
    reached = {
        method: [
            cl.train(method(net, density=d), sequence, seed=seed, epochs=20, progress=False, device="cpu").accuracy[-1]
            for d in (0.02, 0.05, 0.1)
            for seed in range(3)
        ]
        for method in (SupSup, ExSSNeT)
    }
    assert np.mean(reached[ExSSNeT]) >= np.mean(reached[SupSup])
