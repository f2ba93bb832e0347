"""HEmbedding: what its equations promise, whether guidance acts, and its deviations from the published code."""

import math
from typing import get_args

import pytest
import tiny
import torch
from torch import Tensor

from cltoolkit import embeddings, transferability
from cltoolkit.learners import HEmbedding, HyperNet
from cltoolkit.learners._guidance import Decoder, cosine_loss, distance_loss
from cltoolkit.learners._guide import FEWEST, Guidance
from cltoolkit.randomness import stream
from cltoolkit.tasks import Examples, Task, TaskSequence
from cltoolkit.training import restore, resume, steps, train

SMALL = {"embedding_dim": 4, "hidden": (8,)}
GUIDANCE = get_args(Guidance)
every_guidance = pytest.mark.parametrize("guidance", GUIDANCE)


def small(**config: object) -> HEmbedding:
    return HEmbedding(tiny.net(), **SMALL | config)


def trained(learner: HEmbedding, count: int = 4, epochs: int = 4) -> HEmbedding:
    for _ in steps(learner, tiny.sequence(count), epochs=epochs, batch_size=8, device="cpu"):
        pass
    return learner


def begun(learner: HEmbedding, tasks: int = 3) -> HEmbedding:
    """A learner that has learned `tasks` tasks and begun the next."""
    todo = steps(learner, tiny.sequence(tasks + 1), epochs=2, batch_size=8, device="cpu")
    next(step for step in todo if step.task == tasks)
    return learner


def apart(learner: HEmbedding) -> float:
    """How far embeddings are from the distances that scores ask for, on average."""
    return float(learner.series()["discrepancy"].nanmean())


# What it is.


def test_without_guidance_it_is_hypernet_to_the_bit() -> None:
    plain = HyperNet(tiny.net(), **SMALL)
    mine = small(guidance="none")
    for learner in (plain, mine):
        for _ in steps(learner, tiny.sequence(4), epochs=3, batch_size=8, device="cpu"):
            pass
    assert not tiny.differing(plain.generated.state_dict(), mine.generated.state_dict())


@every_guidance
def test_two_tasks_are_learned_as_hypernet_learns_them(guidance: Guidance) -> None:
    plain, mine = small(guidance="none"), small(guidance=guidance)
    for learner in (plain, mine):
        trained(learner, FEWEST)
    assert not tiny.differing(plain.generated.state_dict(), mine.generated.state_dict())


@every_guidance
def test_from_the_third_task_on_guidance_acts_and_only_there(guidance: Guidance) -> None:
    plain, mine = trained(small(guidance="none")), trained(small(guidance=guidance))
    assert torch.equal(plain.embeddings[:FEWEST], mine.embeddings[:FEWEST])
    assert torch.equal(plain.embeddings[FEWEST:], mine.embeddings[FEWEST:]) == (guidance == "none")


def test_the_score_is_that_of_each_earlier_task_s_features_of_the_new_data() -> None:
    learner, sequence = trained(small(score="h_score"), 3, epochs=2), tiny.sequence(4)
    x, y = sequence[3].train.x, sequence[3].train.y
    expected = [transferability.h_score(learner.features(x, n), y) for n in range(3)]
    todo = learner.phases(sequence[3])
    learner.begin(sequence[3], todo[0])
    torch.testing.assert_close(learner.relations.scores[3, :3], torch.stack(expected).float())


def test_the_h_embedding_has_the_distances_that_scores_ask_for() -> None:
    learner = trained(small())
    relations = learner.relations
    for t in range(FEWEST, 4):
        targets = embeddings.target_distances(relations.scores[t, :t])
        torch.testing.assert_close(relations.targets[t, :t], targets.float())
        distances = torch.linalg.vector_norm(relations.h_embeddings[t] - learner.embeddings[:t], dim=1)
        torch.testing.assert_close(distances, relations.scale[t] * targets.float(), atol=1e-4, rtol=0)
    assert float(relations.residual[FEWEST:].max()) < 1e-6


def test_scores_of_copies_of_a_task_are_above_those_of_another() -> None:
    a, b = tiny.task(0, n=200, noise=2.0), tiny.task(1, n=200, noise=2.0)
    copies = [Task(f"copy {i}", a.train, a.test, a.validation, classes=(0, 1)) for i in range(3)]
    learner = small(lr=0.01, score="h_score", beta=1.0)
    sequence = TaskSequence([copies[0], copies[1], b, copies[2]])
    for _ in steps(learner, sequence, epochs=20, batch_size=32, device="cpu"):
        pass
    first, second, other = learner.relations.scores[3, :3].tolist()
    assert min(first, second) > other
    assert first == pytest.approx(second, abs=0.1)


def test_shuffled_scores_are_the_same_scores_of_other_tasks() -> None:
    learner, control = begun(small(guidance="none"), 4), begun(small(guidance="none", shuffled=True), 4)
    scores, shuffled = (one.relations.scores[4, :4] for one in (learner, control))
    assert not torch.equal(scores, shuffled)
    assert torch.equal(scores.sort().values, shuffled.sort().values)


def test_of_all_exact_solutions_the_one_nearest_the_drawn_embedding_is_taken_or_the_mean() -> None:
    drawn, scores = torch.randn(8, generator=stream(1, "test")), torch.tensor([1.0, 2.0, 3.0])

    def placed(near: str) -> Tensor:
        learner = small(near=near, embedding_dim=8)
        learner.start()
        learner.generated.embeddings = torch.randn(3, 8, generator=stream(0, "test"))
        placement = learner.guide._placement(scores, learner.embeddings, drawn)
        assert placement.residual < 1e-9
        return placement.embedding.float()

    mean = torch.randn(3, 8, generator=stream(0, "test")).mean(0)
    assert float((placed("drawn") - drawn).norm()) < float((placed("mean") - drawn).norm())
    assert float((placed("mean") - mean).norm()) < float((placed("drawn") - mean).norm())


# Guidance, its losses and decoders.


def test_the_cosine_loss_lies_in_0_to_2_whatever_the_length() -> None:
    generator = stream(0, "test")
    a, b = torch.randn(2, 50, 7, generator=generator)
    loss = cosine_loss(a, b)
    assert float(loss.min()) >= 0
    assert float(loss.max()) <= 2
    torch.testing.assert_close(cosine_loss(a, 13 * b), loss)
    torch.testing.assert_close(cosine_loss(b, b), torch.zeros(50), atol=1e-6, rtol=0)
    torch.testing.assert_close(cosine_loss(-b, b), torch.full((50,), 2.0))


def test_the_distance_loss_is_what_the_h_embedding_minimizes() -> None:
    known = torch.randn(5, 3, generator=stream(0, "test"), dtype=torch.float64)
    placed = embeddings.h_embedding(torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0]), known)
    loss = distance_loss(placed.embedding, known, placed.scale * placed.targets)
    assert float(loss) == pytest.approx(float(placed.residuals.square().mean()), abs=1e-9)


def test_the_distance_loss_has_a_gradient_where_embeddings_meet() -> None:
    e = torch.zeros(3, requires_grad=True)
    distance_loss(e, torch.zeros(2, 3), torch.ones(2)).backward()
    assert bool(torch.isfinite(e.grad).all())


def guidance_loss(learner: HEmbedding) -> Tensor:
    """L_e of the task being learned."""
    return learner.guide.loss(learner.hypernet.basis, learner.generated.embedding, learner.embeddings)[0]


@pytest.mark.parametrize("guidance", ["decoder", "shared_decoder"])
def test_decoders_pull_on_the_embedding_and_not_on_the_output_layer(guidance: Guidance) -> None:
    learner = begun(small(guidance=guidance))
    learner.zero_grad()
    guidance_loss(learner).backward()
    assert float(learner.generated.embedding.grad.abs().sum()) > 0
    assert float(learner.guide.decoder.last.weight.grad.abs().sum()) > 0
    assert learner.hypernet.output.weight.grad is None


def test_the_shared_decoder_alone_learns_from_earlier_pairs() -> None:
    learner = begun(small(guidance="shared_decoder"))
    assert len(learner.relations.h_embeddings) - FEWEST == 2  # of tasks 2 and 3
    with torch.no_grad():
        learner.generated.embedding.copy_(learner.generated.embedding)
        features = learner.hypernet.basis(learner.generated.known(4)).mean(1)
        pairs = cosine_loss(learner.guide.decoder(features[2:]), learner.relations.h_embeddings[2:])
    torch.testing.assert_close(guidance_loss(learner), pairs.sum())


def test_guidance_by_distance_brings_distances_to_what_scores_ask_for() -> None:
    plain = trained(small(guidance="none", lr=0.01), 5, epochs=20)
    guided = trained(small(guidance="distance", guidance_weight=1.0, lr=0.01), 5, epochs=20)
    assert apart(guided) < 0.5 * apart(plain)


def test_initialization_begins_at_the_h_embedding() -> None:
    learner = small(guidance="initialization")
    sequence = tiny.sequence(4)
    trained(learner, 3, epochs=1)
    learner.begin(sequence[3], learner.phases(sequence[3])[0])
    assert torch.equal(learner.generated.embedding.detach(), learner.relations.h_embeddings[3])
    assert float(learner.series()["cosine"][3]) == pytest.approx(1.0)


def test_the_weight_of_guidance_grows_with_the_tasks_up_to_one() -> None:
    def gradient(weight: float) -> Tensor:
        learner = begun(small(guidance="distance", guidance_weight=0.0, beta=0.0))
        learner.guidance_weight = weight
        x, y = tiny.sequence(4)[3].train.take(torch.arange(8))
        learner.step(x, y)
        return learner.generated.embedding.grad.clone()

    none, third, one, more = gradient(0.0), gradient(1 / 9), gradient(1 / 3), gradient(5.0)  # three earlier tasks
    assert torch.equal(one, more)
    torch.testing.assert_close(third - none, (one - none) / 3, rtol=1e-4, atol=1e-6)


def test_the_task_s_own_decoder_is_new_and_dropped() -> None:
    learner = begun(small())
    first = tiny.copied(learner.guide.decoder.state_dict())
    assert learner.guide.decoder.last.bias is not None
    learner.end(tiny.sequence(4)[3])
    assert learner.guide.decoder is None
    learner.begin(tiny.sequence(5)[4], learner.phases(tiny.sequence(5)[4])[0])
    assert set(tiny.differing(learner.guide.decoder.state_dict(), first)) == set(first)


def test_a_decoder_begins_as_a_linear_layer_does() -> None:
    decoder = Decoder(100, 50, 7, bias=False).reset(stream(0, "test"))
    assert 0.09 < decoder.first.weight.detach().max().item() <= 0.1
    assert decoder.last.bias is None
    assert decoder(torch.ones(3, 100)).shape == (3, 7)


# What it keeps, and what it leaves alone.


@every_guidance
def test_what_grows_with_a_task_is_its_embedding(guidance: Guidance) -> None:
    learner = small(guidance=guidance)
    before = sum(p.numel() for p in learner.parameters())
    trained(learner, 4, epochs=1)
    assert sum(p.numel() for p in learner.parameters()) == before
    assert {name: tuple(b.shape) for name, b in learner.generated.named_buffers() if len(b) == 4} == {
        "embeddings": (4, 4)
    }


@every_guidance
@pytest.mark.parametrize("batch_norm", [False, True])
def test_earlier_embeddings_and_statistics_stay_to_the_bit(guidance: Guidance, batch_norm: bool) -> None:
    learner = HEmbedding(tiny.net(batch_norm=batch_norm), guidance=guidance, **SMALL)
    kept = []
    for step in steps(learner, tiny.sequence(4), epochs=2, batch_size=8, device="cpu"):
        if step.ended:
            rows = {"embeddings": learner.embeddings, **learner.generated.own_statistics.rows()}
            kept.append(tiny.copied({name: value for name, value in rows.items() if value is not None}))
    for t, rows in enumerate(kept):
        assert not tiny.differing({name: value[: t + 1] for name, value in kept[-1].items()}, rows)


@pytest.mark.parametrize("statistics", ["batch", "stored"])
def test_scoring_has_no_side_effect(statistics: str) -> None:
    learner = HEmbedding(tiny.net(batch_norm=True), statistics=statistics, **SMALL)
    trained(learner, 3, epochs=2)
    before, modes = tiny.copied(learner.state_dict()), [m.training for m in learner.modules()]
    learner.guide.face([(0, 1)] * 4)
    scores = [learner.guide._scores(tiny.sequence(4)[3], learner.generated.stacked(3)) for _ in range(2)]
    torch.testing.assert_close(*scores, rtol=0, atol=0)
    assert not tiny.differing(learner.state_dict(), before)
    assert [m.training for m in learner.modules()] == modes


@every_guidance
def test_resumed_in_the_midst_of_a_guided_task_it_goes_on_to_the_same_bytes(guidance: Guidance, tmp_path) -> None:
    sequence, settings = tiny.sequence(4), {"epochs": 4, "batch_size": 8, "device": "cpu", "progress": False}
    whole = train(small(guidance=guidance), sequence, out=tmp_path / "whole", **settings)

    class Stop(Exception):
        pass

    def stopping(learner: HEmbedding) -> HEmbedding:
        original = learner._step

        def step(x: Tensor, y: Tensor) -> dict[str, Tensor]:
            if learner.num_tasks == 3 and learner.steps == 5:
                raise Stop
            return original(x, y)

        learner._step = step
        return learner

    with pytest.raises(Stop):
        train(stopping(small(guidance=guidance)), sequence, out=tmp_path / "cut", checkpoint_every=2, **settings)
    again = resume(tmp_path / "cut", learner=small(guidance=guidance), sequence=sequence, device="cpu", progress=False)
    assert again.accuracy.tobytes() == whole.accuracy.tobytes()
    for name, values in whole.series.items():
        assert again.series[name].tobytes() == values.tobytes(), name
    a, b = (restore(tmp_path / name, learner=small(guidance=guidance), device="cpu") for name in ("whole", "cut"))
    assert not tiny.differing(a.state_dict(), b.state_dict())


def test_the_record_has_a_row_for_every_task_and_time() -> None:
    run = train(small(), tiny.sequence(4), epochs=2, batch_size=8, device="cpu", progress=False)
    shapes = {name: values.shape for name, values in run.series.items()}
    square, one, wide = (4, 4, 4), (4, 4, 1), (4, 4, 4)
    assert shapes == {
        "embeddings": wide, "h_embeddings": wide, "scores": square, "targets": square, "discrepancy": square,
        "scale": one, "residual": one, "cosine": one,
    }  # fmt: skip
    known = ~torch.from_numpy(run.series["scores"][-1]).isnan()
    assert torch.equal(known, torch.ones(4, 4).tril(-1).bool())
    assert math.isnan(run.series["scale"][-1, 1, 0])
    assert run.series["scale"][-1, 2, 0] > 0
    assert {"loss", "guidance", "regularizer"} < set(run.curves)


@every_guidance
def test_a_task_of_one_class_cannot_be_scored_and_is_left_unguided(guidance: Guidance) -> None:
    def alone(t: int) -> Task:
        part = Examples(tiny.task(t).train.x, torch.full((22,), t))
        return Task(f"class {t}", part, part, classes=(t,), outputs=(t,), scenario="class")

    sequence = TaskSequence([*(alone(t) for t in range(4)), *tiny.sequence(4, scenario="class")[2:]])
    learner = HEmbedding(tiny.net(8), guidance=guidance, **SMALL)
    for _ in steps(learner, sequence.as_scenario("class"), epochs=2, device="cpu"):
        pass
    assert bool(learner.relations.scores[:4].isnan().all())
    assert bool(learner.relations.h_embeddings[:4].isnan().all())
    assert bool(learner.relations.h_embeddings[4:].isfinite().all())
    assert bool(learner.embeddings.isfinite().all())


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"guidance": "decode"}, "expected guidance to be one of 'decoder', 'shared_decoder'"),
        ({"score": "hscore"}, "expected score to be one of 'h_score'"),
        ({"normalizer": "l2"}, "expected normalizer to be one of 'ahp'"),
        ({"near": "zero"}, "expected near to be one of 'drawn', 'mean'"),
        ({"solver": "sgd"}, "expected solver to be one of 'least_squares', 'adam'"),
        ({"statistics": "live"}, "expected statistics to be one of 'batch', 'stored'"),
        ({"guidance_weight": -1.0}, "expected guidance_weight of at least 0"),
        ({"samples": 0}, "expected samples"),
    ],
)
def test_wrong_settings_are_refused_with_the_choices(wrong: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        small(**wrong)


# Deviations from the published code.


def test_the_published_settings_run() -> None:
    learner = small(
        initialization="plain", hidden=(), lookahead=True, output="chunked", chunk_size=20,
        score="h_score", solver="adam", normalizer="direct",
    )  # fmt: skip
    trained(learner, 3, epochs=1)
    assert learner.hypernet.num_chunks > 1
    assert bool(learner.relations.h_embeddings[2].isfinite().all())


def test_the_least_squares_solver_needs_no_seed_and_adam_does() -> None:
    def placed(solver: str, seed: int) -> Tensor:
        learner = small(solver=solver)
        learner.start(seed=seed)
        learner.generated.embeddings = torch.randn(4, 4, generator=stream(0, "test"))
        scores = torch.tensor([1.0, 2.0, 3.0, 4.0])
        return learner.guide._placement(scores, learner.embeddings, torch.zeros(4)).embedding

    assert torch.equal(placed("least_squares", 0), placed("least_squares", 1))
    assert not torch.equal(placed("adam", 0), placed("adam", 1))
    assert torch.equal(placed("adam", 1), placed("adam", 1))


@pytest.mark.parametrize("score", transferability.ESTIMATORS)
def test_every_estimator_can_guide(score: str) -> None:
    learner = trained(small(score=score, guidance="distance"), 4, epochs=1)
    assert bool(learner.relations.scores.tril(-1).isfinite().all())
    assert bool(learner.relations.h_embeddings[FEWEST:].isfinite().all())
