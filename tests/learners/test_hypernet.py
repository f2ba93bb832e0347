"""HyperNet: what its equation promises, and its deviations from the published code."""

import pytest
import tiny
import torch

from cltoolkit import Stateless
from cltoolkit.hypernetworks import OutputRegularizer
from cltoolkit.learners import HyperNet
from cltoolkit.training import steps


def small(**config: object) -> HyperNet:
    return HyperNet(tiny.net(), **{"embedding_dim": 4, "hidden": (8,)} | config)


def trained(learner: HyperNet, count: int = 3, epochs: int = 4) -> list[dict[str, torch.Tensor]]:
    """The losses of every step."""
    return [step.losses for step in steps(learner, tiny.sequence(count), epochs=epochs, batch_size=8, device="cpu")]


def drift(beta: float) -> float:
    """How far the first task's weights go while two others are learned."""
    learner = small(beta=beta, lr=0.01)
    todo = steps(learner, tiny.sequence(3), epochs=8, batch_size=8, device="cpu")
    next(step for step in todo if step.ended)
    before = learner.params(0)
    for _ in todo:
        pass
    return sum(float((learner.params(0)[name] - before[name]).square().sum()) for name in before)


def test_the_more_the_regularizer_weighs_the_less_earlier_weights_move() -> None:
    assert drift(0.0) > 10 * drift(1.0) > 0


def test_the_regularizer_starts_each_task_at_zero() -> None:
    learner = small()
    first = [
        step.losses for step in steps(learner, tiny.sequence(3), epochs=2, batch_size=8, device="cpu") if step.step == 0
    ]
    assert "regularizer" not in first[0]  # nothing to keep yet
    values = [float(losses["regularizer"]) for losses in first[1:]]
    assert values == pytest.approx([0.0, 0.0], abs=1e-10)  # but for rounding: another batch multiplies in another order


def test_lookahead_regularizes_from_the_first_step_on() -> None:
    learner = small(lookahead=True)
    todo = steps(learner, tiny.sequence(2), epochs=2, batch_size=8, device="cpu")
    first = [step.losses for step in todo if step.task == 1 and step.step == 0]
    assert float(first[0]["regularizer"]) > 0  # θ + Δθ is not θ*


def test_tasks_grow_it_by_an_embedding_each() -> None:
    learner = small()
    trained(learner, 3)
    assert learner.embeddings.shape == (3, 4)
    before = sum(p.numel() for p in small().parameters())
    assert sum(p.numel() for p in learner.parameters()) == before


def test_earlier_embeddings_are_frozen_to_the_bit() -> None:
    learner = small()
    seen = [
        learner.embeddings.clone() for step in steps(learner, tiny.sequence(3), epochs=2, device="cpu") if step.ended
    ]
    assert all(torch.equal(seen[-1][: len(rows)], rows) for rows in seen)


def test_many_tasks_are_compared_in_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = []
    sample = OutputRegularizer.sample
    monkeypatch.setattr(OutputRegularizer, "sample", lambda *args: drawn.append(sample(*args)) or drawn[-1])
    trained(small(max_tasks=2), 6, epochs=1)
    last = [tasks.tolist() for tasks in drawn if tasks is not None][-3:]  # the last task's round: five earlier tasks
    assert all(len(set(tasks)) == 2 for tasks in last)
    assert {task for tasks in last for task in tasks} == set(range(5))


def test_plain_start_and_full_or_chunked_output_by_name() -> None:
    assert small(initialization="plain").hypernet.offset is None
    assert small(output="chunked", chunk_size=10).hypernet.num_chunks > 1
    assert small().hypernet.num_chunks == 1  # "auto", for a small target


def test_given_weights_are_of_no_use_and_that_is_said() -> None:
    with pytest.warns(UserWarning, match="HyperNet generates all weights"):
        HyperNet(Stateless(tiny.net(), weights="given"))


@pytest.mark.parametrize("beta", [-1.0, float("nan")])
def test_a_weight_that_rewards_forgetting_is_refused(beta: float) -> None:
    with pytest.raises(ValueError, match="expected beta of at least 0"):
        small(beta=beta)
