"""Which mask a new task starts from: scores against a plain loop, the margin against chance, what stays untouched."""

import dataclasses
import json
import math
from dataclasses import dataclass, field

import pytest
import torch
from scipy import stats
from sklearn.neighbors import KNeighborsClassifier
from torch import Tensor, nn
from torch.testing import assert_close

import cltoolkit as cl
from cltoolkit import Examples, Stateless, learners, networks, sequences
from cltoolkit.masks import (
    Choice,
    KNNInitializer,
    Layout,
    Masks,
    TopK,
    kept_counts,
    pack_bits,
    random_scores,
    signed_constant,
    under_masks,
)
from cltoolkit.masks import _initializer as initializer
from cltoolkit.masks._choice import binomial_margin, chosen, permuted_critical_value
from cltoolkit.masks._levels import permuted_labels, separation
from cltoolkit.masks._sample import sampled
from cltoolkit.params import Params
from cltoolkit.randomness import key_seed, seeded, stream
from cltoolkit.transferability import ESTIMATORS, all_outputs, h_score, leep

FEATURES = 6


def drawn(*shape: int, key: int | str = 0) -> Tensor:
    return torch.randn(shape, generator=stream(0, "test initializer", key))


def examples(n: int = 240, classes: int = 2, *, shift: float = 3.0, key: int = 0) -> Examples:
    """Classes apart in the first coordinates."""
    y = torch.arange(n) % classes
    return Examples(drawn(n, FEATURES, key=key) + shift * torch.eye(FEATURES)[y], y)


def random_labels(n: int, classes: int, key: int) -> Examples:
    y = torch.randint(classes, (n,), generator=stream(key, "test initializer", "labels"))
    y[: 2 * classes] = torch.arange(2 * classes) % classes
    return Examples(drawn(n, FEATURES, key=f"noise {key}"), y)


def net(batch_norm: bool = False) -> Stateless:
    return Stateless(networks.mlp((FEATURES,), (16, 8), 4, batch_norm=batch_norm))


def stacked(target: Stateless, count: int, *, key: int = 0) -> Params:
    """Weights drawn anew for each source, and statistics of its own where there are any."""
    sources = [target.initial(key, "source", j) for j in range(count)]
    params = {name: torch.stack([source[name] for source in sources]) for name in sources[0]}
    for name, value in params.items():
        if name.endswith(("running_mean", "running_var")):
            value += drawn(*value.shape, key=name).abs()
    return params


def blind_and_seeing(count: int = 4, seeing: int = 2) -> tuple[Stateless, Params]:
    """Sources whose features are coordinates: one has the two that tell the classes, the others have noise."""
    with seeded(0, "test initializer"):
        target = Stateless(nn.Sequential(nn.Linear(FEATURES, 2, bias=False), nn.Linear(2, 2)))
    params = {name: value.expand(count, *value.shape).clone() for name, value in target.initial(0).items()}
    params["0.weight"][:] = torch.eye(FEATURES)[4:]
    params["0.weight"][seeing] = torch.eye(FEATURES)[:2]
    return target, params


def masks_of(target: Stateless, count: int, density: float = 0.3) -> tuple[Tensor, Masks, Params]:
    layout = Layout.of(target)
    select = TopK(layout, kept_counts(layout, density))
    bits = torch.stack([pack_bits(select(random_scores(layout, 0, j)).bool()) for j in range(count)])
    initial = target.initial(0)
    rest = {name: value for name, value in initial.items() if name not in layout.shapes}
    return signed_constant(layout, initial), Masks(bits, layout), rest


# What is chosen


@pytest.mark.parametrize("seed", range(3))
def test_a_copy_of_an_earlier_task_starts_from_its_mask(seed):
    """Real features: masks of split digits, found by SupSup, and each task once more."""
    digits = sequences.split_digits()
    target = networks.mlp(digits.input_shape, (100, 50), digits.num_classes)
    learner = learners.SupSup(target, density=0.1, lr=0.05)
    cl.train(learner, digits, seed=seed, epochs=4, progress=False)
    own = [learner.params(t) for t in range(len(digits))]
    params = {name: torch.stack([source[name] for source in own]) for name in own[0]}
    choose = KNNInitializer(fraction=0.5)
    found = [choose(learner.net, params, task.train, seed=seed).donor for task in digits]
    assert found == list(range(len(digits)))


@pytest.mark.parametrize("estimator", ["knn", "h_score", "h_score_adjusted", "log_me", "linear_probe"])
def test_the_source_that_sees_the_classes_is_the_donor(estimator):
    target, params = blind_and_seeing()
    choice = KNNInitializer(estimator=estimator, fraction=1.0)(target, params, examples())
    assert choice.donor == choice.best == 2
    assert choice.scores[2] > choice.needed > choice.chance
    assert choice.estimator == estimator


@pytest.mark.parametrize(("count", "classes", "n"), [(1, 2, 200), (3, 2, 200), (10, 5, 300), (20, 2, 120)])
def test_labels_that_say_nothing_have_no_donor(count, classes, n):
    """In at least 95 % of seeds."""
    assert donors(KNNInitializer(fraction=1.0), count, classes, n, seeds=60) <= 0.05 * 60


def test_labels_that_say_nothing_have_a_donor_by_the_published_rule():
    """One random mask beats 1/C about every other time, and the best of three mostly."""
    choose = KNNInitializer(fraction=1.0, rule="published")
    assert donors(choose, count=1, classes=2, n=200, seeds=20) >= 0.3 * 20
    assert donors(choose, count=3, classes=2, n=200, seeds=20) >= 0.6 * 20


def test_estimators_without_a_chance_level_of_their_own_fall_back_too():
    assert donors(KNNInitializer(fraction=1.0, estimator="leep"), count=2, classes=2, n=80, seeds=20) <= 0.1 * 20


def donors(choose: KNNInitializer, count: int, classes: int, n: int, *, seeds: int) -> int:
    """For how many seeds random labels find a donor."""
    target, params = net(), stacked(net(), count)
    found = [choose(target, params, random_labels(n, classes, seed), seed=seed).donor for seed in range(seeds)]
    return sum(donor is not None for donor in found)


def test_unbalanced_labels_that_say_nothing_have_no_donor():
    """Nine of ten are of one class, and 90 % are right for free."""
    target, params = net(), stacked(net(), 5)
    for seed in range(20):
        y = (torch.rand(200, generator=stream(seed, "test unbalanced")) < 0.1).long()
        choice = KNNInitializer(fraction=1.0)(target, params, Examples(drawn(200, FEATURES, key=seed), y), seed=seed)
        assert choice.donor is None
        assert choice.chance > 0.8


def test_the_margin():
    """The most hits among 102 guesses that are not too many, by an independent implementation."""
    choice = KNNInitializer(fraction=1.0)(*blind_and_seeing(count=4), examples(300, 3))
    assert choice.queries == 102
    assert choice.chance == pytest.approx(1 / 3)
    assert choice.needed == pytest.approx(stats.binom.isf(0.05 / 4, 102, 1 / 3) / 102)


@pytest.mark.parametrize("level", [0.05, 0.01, 0.0005])
@pytest.mark.parametrize(("queries", "chance"), [(4, 0.5), (14, 0.5), (70, 0.183), (1000, 0.1)])
def test_guesses_exceed_the_margin_hardly_ever(level, queries, chance):
    """With probability `level` at most, and one hit less would be exceeded more often."""
    margin = round(queries * binomial_margin(level, queries, chance))
    assert stats.binom.sf(margin, queries, chance) <= level < stats.binom.sf(margin - 1, queries, chance)


def test_the_margin_of_other_estimators_is_that_of_the_best_under_permuted_labels():
    """However skewed the scores: of 59 permutations the best score beats the level in two."""
    standardized = drawn(59, 7).double().exp()
    value = permuted_critical_value(standardized, 0.05)
    assert int((standardized.amax(1) > value).sum()) == 2
    assert permuted_critical_value(standardized, 1 / 60) == standardized.max()


def test_there_are_permutations_enough_for_the_level():
    y = torch.arange(9) % 3
    for level, count in ((0.05, 59), (0.001, 999)):
        permuted = permuted_labels(y, level, seed=0)
        assert permuted.shape == (count, 9)
        assert torch.equal(permuted.sort(1).values, y.sort().values.expand(count, -1))


def test_the_rules():
    needed = torch.tensor([0.6, 0.6, 0.6])
    apart = torch.tensor([0.1, 0.3, 0.2])
    assert chosen(torch.tensor([0.5, 0.7, 0.9]), needed, apart) == (2, 2)
    assert chosen(torch.tensor([0.5, 0.6, 0.4]), needed, apart) == (None, 1)  # needed is not enough
    assert chosen(torch.tensor([0.8, 0.8, 0.8]), needed, apart) == (1, 1)  # ties: the classes further apart
    assert chosen(torch.tensor([0.8, 0.8, 0.8]), needed, torch.zeros(3)) == (0, 0)  # and then the earlier task
    assert chosen(torch.tensor([0.8, 0.9, 0.7]), torch.tensor([0.7, 1.0, 0.6]), apart) == (0, 0)  # each its own level


def test_always_takes_the_best_and_published_what_beats_one_in_c():
    target, params = blind_and_seeing()
    noise = random_labels(200, 2, key=1)
    always = KNNInitializer(fraction=1.0, rule="always")(target, params, noise)
    assert always.donor == always.best
    assert always.needed == -math.inf
    published = KNNInitializer(fraction=1.0, rule="published")(target, params, noise)
    assert published.needed == published.chance == 0.5
    assert (published.donor is not None) == bool(published.scores.max() > 0.5)


def test_the_order_of_the_sources_does_not_matter():
    target, params = net(batch_norm=True), stacked(net(batch_norm=True), 9)
    order = torch.randperm(9, generator=stream(0, "test order"))
    one = KNNInitializer(fraction=1.0)(target, params, examples())
    other = KNNInitializer(fraction=1.0)(target, {name: value[order] for name, value in params.items()}, examples())
    assert_close(other.scores, one.scores[order], rtol=0, atol=0)
    assert_close(other.separation, one.separation[order], rtol=1e-6, atol=0)
    assert order[other.donor] == one.donor


# What is computed


@pytest.mark.parametrize("batch_norm", [False, True])
def test_features_of_all_masks_are_those_of_one_after_the_other(batch_norm):
    target = net(batch_norm)
    params, data = stacked(target, 7), examples()
    together = all_outputs(target, params, data.batches(torch.arange(len(data)), 50))[0]
    for j in range(7):
        alone = target.features({name: value[j] for name, value in params.items()}, data.x)
        assert float((together[j] - alone).norm() / alone.norm()) <= 1e-5


@pytest.mark.parametrize(("rule", "neighbors"), [("published", 10), ("margin", 5)])
def test_scores_are_those_of_scikit_learn(rule, neighbors):
    target = net()
    params, data = stacked(target, 4), examples(400, 3, shift=0.5)
    choice = KNNInitializer(neighbors, fraction=0.5, rule=rule)(target, params, data, seed=3, key=("task", 2))
    sample = sampled(data, fraction=0.5, split=0.66, most=2048, seed=key_seed(3, "task", 2))
    n, (x, y) = sample.references, data.take(sample.index)
    assert (choice.references, choice.queries, choice.neighbors) == (n, 200 - n, neighbors)
    for j, score in enumerate(choice.scores):
        features = target.features({name: value[j] for name, value in params.items()}, x).double()
        plain = KNeighborsClassifier(neighbors, algorithm="brute").fit(features[:n], y[:n])
        if rule == "published":
            assert float(score) == plain.score(features[n:], y[n:])
        else:  # ties of votes are broken in another way, which few queries notice
            assert float(score) == pytest.approx(plain.score(features[n:], y[n:]), abs=0.06)


def test_other_estimators_score_the_whole_sample_and_the_sources_own_units():
    target, params = net(), stacked(net(), 3)
    data, units = examples(), [(0, 1), (2, 3), (1, 2)]
    features, logits, y = all_outputs(target, params, [data.take(torch.arange(len(data)))])
    by_features = KNNInitializer(fraction=1.0, estimator="h_score")(target, params, data, units=units)
    assert_close(by_features.scores, h_score(features, y))
    by_classes = KNNInitializer(fraction=1.0, estimator="leep")(target, params, data, units=units)
    probabilities = [answers[:, list(own)].softmax(-1) for answers, own in zip(logits, units, strict=True)]
    assert_close(by_classes.scores, leep(torch.stack(probabilities), y), atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("estimator", sorted(ESTIMATORS))
def test_every_estimator_has_its_place(estimator):
    choose = KNNInitializer(fraction=1.0, estimator=estimator)
    choice = choose(net(), stacked(net(), 2), examples(60))
    assert choice.scores.shape == choice.separation.shape == (2,)
    assert bool(choice.scores.isfinite().all())


def test_separation_is_the_share_of_variance_between_classes():
    features, y = drawn(2, 30, 4).double(), torch.arange(30) % 3
    whole = ((features - features.mean(1, keepdim=True)) ** 2).sum((1, 2))
    means = torch.stack([features[:, y == c].mean(1) for c in range(3)], 1)
    within = ((features - means[:, y]) ** 2).sum((1, 2))
    assert_close(separation(features, y), 1 - within / whole)
    assert separation(torch.ones(1, 30, 4), y).tolist() == [0]
    assert_close(separation(5 * features + 3, y), separation(features, y))


def test_masks_given_by_their_bits_are_those_given_as_weights():
    target = net(batch_norm=True)
    base, masks, rest = masks_of(target, 6)
    own = {name: value for name, value in stacked(target, 6).items() if name in target.buffers}
    shared = {name: value for name, value in rest.items() if name not in own}
    chunks = under_masks(base, masks, shared=shared, own=own)
    whole = {name: torch.stack([value] * 6) for name, value in shared.items()} | own
    whole |= masks.layout.unpack(base * torch.stack([mask.float() for mask in masks]))
    made = chunks(0, 6)
    assert made.keys() == whole.keys()
    assert all(torch.equal(made[name], whole[name]) for name in whole)
    one, other = (
        KNNInitializer(memory=memory)(target, source, examples(), count=6)
        for source, memory in ((chunks, 1), (whole, 2**28))
    )
    assert_close(one.scores, other.scores, rtol=0, atol=0)
    assert one.donor == other.donor


def test_a_weight_outside_the_mask_is_zero_even_if_it_is_not_a_number():
    base, masks, _ = masks_of(net(), 2)
    inside = masks.layout.unpack(masks[0])
    made = under_masks(torch.where(masks[0], base, torch.nan), masks)(0, 1)
    for name, value in made.items():
        assert bool((value[0][~inside[name]] == 0).all())


# What it sees, and what it leaves alone


@dataclass
class Seen:
    """Examples that remember which of them were delivered."""

    examples: Examples
    rows: list[int] = field(default_factory=list)

    @property
    def y(self):
        return self.examples.y

    def __len__(self):
        return len(self.examples)

    def take(self, index):
        return self.examples.take(index)

    def batches(self, order, size, **_):
        self.rows += order.tolist()
        return self.examples.batches(order, size)


class OnlyTrain:
    """A task whose other parts must not be looked at."""

    def __init__(self, train):
        self.train = train

    @property
    def test(self):
        raise AssertionError("test examples were looked at")

    validation = parts = test


def test_a_sample_of_the_training_examples_is_seen_once():
    task = OnlyTrain(Seen(examples(300)))
    choice = KNNInitializer(fraction=0.2)(net(), stacked(net(), 5), task.train)
    assert len(task.train.rows) == len(set(task.train.rows)) == 60 == choice.queries + choice.references


@pytest.mark.parametrize("name", ["SupSup", "ExSSNeT"])
def test_a_learner_shows_it_no_test_or_validation_example(name, monkeypatch):
    """The examples that the initializer is given are those of the training part, to the very object."""
    tasks = list(sequences.split_digits(validation=0.2))[:2]
    seen = []
    plain = KNNInitializer.__call__

    def spy(self, target, params, data, **settings):
        seen.append(data)
        return plain(self, target, params, data, **settings)

    monkeypatch.setattr(KNNInitializer, "__call__", spy)
    target = networks.mlp(tasks[0].input_shape, (16, 8), 2)
    learner = learners.build(name, target, {"initializer": {"neighbors": 3}})
    cl.train(learner, cl.TaskSequence(tasks), seed=0, epochs=1, progress=False)
    assert len(seen) == 1
    assert torch.equal(seen[0].x, tasks[1].train.x)
    assert torch.equal(seen[0].y, tasks[1].train.y)


def test_nothing_given_is_changed():
    target = net(batch_norm=True)
    params, data = stacked(target, 3), examples()
    before = {name: value.clone() for name, value in params.items()}
    x, y = data.x.clone(), data.y.clone()
    base, masks, rest = masks_of(target, 3)
    bits, weights = masks.bits.clone(), base.clone()
    for estimator in ("knn", "leep"):
        KNNInitializer(estimator=estimator)(target, params, data)
        KNNInitializer(estimator=estimator)(target, under_masks(base, masks, shared=rest), data, count=3)
    assert all(torch.equal(params[name], value) for name, value in before.items())
    assert torch.equal(data.x, x)
    assert torch.equal(data.y, y)
    assert torch.equal(masks.bits, bits)
    assert torch.equal(base, weights)


def test_the_seed_and_its_key_alone_decide():
    target, params, data = net(), stacked(net(), 3), examples(shift=0.5)
    choose = KNNInitializer()
    one, same = (choose(target, params, data, seed=1, key=("t", 2)).scores for _ in range(2))
    assert torch.equal(one, same)
    assert not torch.equal(one, choose(target, params, data, seed=1, key=("t", 3)).scores)
    assert not torch.equal(one, choose(target, params, data, seed=2, key=("t", 2)).scores)


# The sample


def test_every_class_is_split_alike():
    y = torch.tensor([7] * 100 + [3] * 50 + [9] * 10)
    data = Examples(drawn(160, FEATURES), y)
    sample = sampled(data, fraction=1.0, split=0.66, most=2048, seed=0)
    known, asked = sample.y[: sample.references], sample.y[sample.references :]
    assert [int((known == c).sum()) for c in (7, 3, 9)] == [66, 33, 7]
    assert [int((asked == c).sum()) for c in (7, 3, 9)] == [34, 17, 3]
    assert torch.equal(sample.y, y[sample.index])
    assert len(sample.index.unique()) == 160
    assert sample.largest_share == 34 / 54


def test_a_small_task_is_taken_whole_and_a_large_one_in_part():
    assert len(sampled(examples(30), fraction=0.2, split=0.5, most=2048, seed=0).index) == 20  # ten of each class
    assert len(sampled(examples(12), fraction=0.2, split=0.5, most=2048, seed=0).index) == 12
    assert len(sampled(examples(1000), fraction=0.2, split=0.5, most=150, seed=0).index) == 150


def test_a_classs_only_example_is_a_reference():
    y = torch.tensor([0] * 10 + [1] * 10 + [2])
    sample = sampled(Examples(drawn(21, FEATURES), y), fraction=1.0, split=0.66, most=100, seed=0)
    assert 2 in sample.y[: sample.references]
    assert 2 not in sample.y[sample.references :]


def test_neighbors_are_bounded_by_half_the_references_of_a_class():
    choice = KNNInitializer(200, fraction=1.0)(net(), stacked(net(), 1), examples(60, 3))
    assert (choice.references, choice.neighbors) == (39, 6)
    assert KNNInitializer(fraction=1.0)(net(), stacked(net(), 1), examples(4)).neighbors == 1


# How it is written and told


def test_its_settings_are_json():
    choose = KNNInitializer(5, rule="published", estimator="leep")
    assert KNNInitializer(**json.loads(json.dumps(choose.config))) == choose
    assert choose.config.keys() == {each.name for each in dataclasses.fields(KNNInitializer)}


def test_it_says_what_was_found():
    target, params = blind_and_seeing()
    choice = KNNInitializer(fraction=1.0)(target, params, examples())
    assert repr(choice) == f"Choice(task 4 starts from task 2: 1.00, needed {choice.needed:.2f} (chance 0.50))"
    afresh = dataclasses.replace(choice, donor=None)
    assert repr(afresh).startswith("Choice(task 4 starts afresh: 1.00 of task 2, needed ")
    assert "needed" not in repr(dataclasses.replace(choice, needed=-math.inf))
    assert isinstance(choice, Choice)


@pytest.mark.parametrize(
    "wrong",
    [
        {"neighbors": 0},
        {"neighbors": 2.0},
        {"fraction": 0.0},
        {"fraction": 1.1},
        {"split": 1.0},
        {"most": 3},
        {"rule": "margins"},
        {"level": 0.0},
        {"estimator": "hscore"},
        {"memory": 0},
        {"memory": True},
    ],
)
def test_settings_are_checked_by_name(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        KNNInitializer(**wrong)


def test_a_misspelt_rule_is_offered_the_right_one():
    with pytest.raises(ValueError, match="did you mean 'margin'"):
        KNNInitializer(rule="margins")


def test_features_that_are_not_finite_name_their_source():
    target, params = net(), stacked(net(), 40)
    params["head.weight"][3] = torch.nan  # features go into the head and do not know
    params["body.1.weight"][31] = torch.nan
    with pytest.raises(ValueError, match="source 31 hold NaN"):
        KNNInitializer(memory=1)(target, params, examples())


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (Examples(torch.zeros(10, FEATURES), torch.zeros(10, 1)), "real-valued"),
        (Examples(torch.zeros(10, FEATURES), torch.zeros(10, dtype=torch.int64)), "two classes"),
        (Examples(torch.zeros(3, FEATURES), torch.arange(3)), "two examples of two classes"),
    ],
)
def test_data_that_cannot_be_classified_are_refused(data, message):
    with pytest.raises(ValueError, match=message):
        KNNInitializer()(net(), stacked(net(), 1), data)


def test_sources_are_counted():
    target, params, choose = net(), stacked(net(), 3), KNNInitializer()
    with pytest.raises(ValueError, match="at least one earlier task"):
        choose(target, {name: value[:0] for name, value in params.items()}, examples())
    with pytest.raises(ValueError, match="count, the number"):
        choose(target, lambda a, b: params, examples())
    with pytest.raises(ValueError, match="same t"):
        choose(target, params, examples(), count=4)
    with pytest.raises(ValueError, match="same t"):
        choose(target, params | {"head.bias": torch.zeros(2, 4)}, examples())
    with pytest.raises(ValueError, match="units of each of 3"):
        choose(target, params, examples(), units=[(0, 1)])


def test_masks_pass_in_blocks_and_are_made_once_each(monkeypatch):
    target = net()
    params, made = stacked(target, 7), []

    def chunks(first: int, last: int) -> Params:
        made.append((first, last))
        return {name: value[first:last] for name, value in params.items()}

    three = initializer.Plan(masks=3, batch=20, held=False, bytes=0)
    monkeypatch.setattr(initializer, "plan_blocks", lambda *_, **__: three)
    in_blocks = KNNInitializer()(target, chunks, examples(), count=7)
    assert made == [(0, 1), (0, 3), (3, 6), (6, 7)]  # the first for its shapes
    monkeypatch.undo()
    assert torch.equal(in_blocks.scores, KNNInitializer()(target, params, examples()).scores)
