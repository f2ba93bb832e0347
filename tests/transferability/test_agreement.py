"""Agreement: one with itself, minus one with its negative, what is undefined is said, intervals mean what they say."""

import numpy as np
import pytest
from scipy import stats

from cltoolkit.transferability import TransferMatrix, agreement
from cltoolkit.transferability._correlation import MEASURES as CORRELATIONS
from cltoolkit.transferability._correlation import resampled

COLUMNS = ["estimator", "truth", "measure", "value", "low", "high", "n", "undefined"]
MEASURES = ["weighted_kendall", "spearman", "pearson"]
NAMES = tuple("abcdefg")


def matrix(values, estimator="h_score", sources=NAMES, targets=NAMES):
    values = np.asarray(values, dtype=float)
    return TransferMatrix(values, estimator, tuple(sources)[: len(values)], tuple(targets)[: values.shape[1]])


def normal(seed, *shape):
    return np.random.default_rng(seed).normal(size=shape or (6, 6))


def by_measure(frame):
    return frame.set_index("measure")["value"]


@pytest.mark.parametrize("diagonal", [False, True])
@pytest.mark.parametrize("over", ["targets", "pairs"])
def test_a_matrix_agrees_with_itself_and_not_with_its_negative(over, diagonal):
    values = normal(0)
    for sign in (1, -1):
        frame = agreement({"x": matrix(values)}, matrix(sign * values), over=over, diagonal=diagonal)
        assert list(frame) == COLUMNS
        assert list(frame["measure"]) == MEASURES
        for column in ("value", "low", "high"):
            np.testing.assert_allclose(frame[column], sign, rtol=1e-12)


@pytest.mark.parametrize("over", ["targets", "pairs"])
def test_ranks_do_not_see_a_monotone_change(over):
    values, truth = normal(1), matrix(normal(2), "truth")
    plain = agreement({"x": matrix(values)}, truth, over=over)
    changed = agreement({"x": matrix(np.exp(values))}, truth, over=over)
    np.testing.assert_allclose(by_measure(plain)[MEASURES[:2]], by_measure(changed)[MEASURES[:2]])
    assert by_measure(plain)["pearson"] != pytest.approx(by_measure(changed)["pearson"])


def test_over_targets_each_target_has_a_scale_of_its_own():
    values, truth = normal(3), matrix(normal(4))
    scaled = values * np.array([1, 10, 100, 1, 1, 0.1]) + np.arange(6)
    np.testing.assert_allclose(
        by_measure(agreement({"x": matrix(values)}, truth)), by_measure(agreement({"x": matrix(scaled)}, truth))
    )


def test_values_are_those_of_scipy():
    x, y = normal(5), normal(6)
    off = ~np.eye(6, dtype=bool)
    functions = {
        "weighted_kendall": lambda a, b: stats.weightedtau(a, b).statistic,
        "spearman": lambda a, b: stats.spearmanr(a, b).statistic,
        "pearson": lambda a, b: stats.pearsonr(a, b).statistic,
    }
    pairs = by_measure(agreement({"x": matrix(x)}, matrix(y), over="pairs"))
    targets = by_measure(agreement({"x": matrix(x)}, matrix(y)))
    for name, function in functions.items():
        assert pairs[name] == pytest.approx(function(x[off], y[off]))
        columns = [function(x[off[:, t], t], y[off[:, t], t]) for t in range(6)]
        assert targets[name] == pytest.approx(np.mean(columns))


@pytest.mark.parametrize("values", [3, 100])  # many ties, and hardly any but those of values drawn twice
def test_resamples_at_once_are_those_one_by_one(values):
    rng = np.random.default_rng(values)
    x, y = rng.integers(values, size=(2, 12)).astype(float)
    picks = rng.integers(12, size=(50, 12))
    picks[0] = 5  # nothing varies
    with np.errstate(invalid="raise"):
        for of in CORRELATIONS.values():
            np.testing.assert_allclose(resampled(of, x, y, picks), of(x[picks], y[picks]), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("over", ["targets", "pairs"])
def test_interval_holds_the_value_and_grows_with_the_level(over):
    truth = matrix(normal(7, 7, 7))
    score = matrix(truth.values + normal(8, 7, 7))
    narrow, wide = (agreement({"x": score}, truth, over=over, level=level) for level in (0.5, 0.99))
    for frame in (narrow, wide):
        assert ((frame["low"] <= frame["value"]) & (frame["value"] <= frame["high"])).all()
    assert ((wide["high"] - wide["low"]) > (narrow["high"] - narrow["low"])).all()


def test_bootstrap_over_targets_is_that_of_the_mean():
    """Its spread is √(variance of the targets' correlations / T), up to resampling noise."""
    x, y = np.random.default_rng(9).normal(size=(2, 7, 40))
    targets = tuple(str(t) for t in range(40))
    frame = agreement(
        {"x": matrix(x, targets=targets)}, matrix(y, targets=targets), level=0.6826894921370859, resamples=20_000
    )
    columns = [stats.pearsonr(a, b).statistic for a, b in zip(x.T, y.T, strict=True)]
    row = frame[frame["measure"] == "pearson"].iloc[0]
    assert (row["high"] - row["low"]) / 2 == pytest.approx(np.std(columns) / 40**0.5, rel=0.05)


def test_seed_draws_the_resamples():
    score, truth = {"x": matrix(normal(10))}, matrix(normal(11))
    a, b, c = (agreement(score, truth, seed=seed, over="pairs") for seed in (0, 0, 1))
    assert a.equals(b)
    assert not a.equals(c)
    assert by_measure(a).equals(by_measure(c))


def test_columns_without_differences_are_left_out_and_counted():
    values = normal(12)
    values[:, [1, 4]] = 3.0
    frame = agreement({"x": matrix(values)}, matrix(normal(12)))
    assert (frame["n"] == 4).all()
    assert (frame["undefined"] == 2).all()
    np.testing.assert_allclose(frame["value"], 1)


@pytest.mark.parametrize("over", ["targets", "pairs"])
def test_without_any_difference_there_is_no_value(over):
    frame = agreement({"x": matrix(np.ones((5, 5)))}, matrix(normal(13, 5, 5)), over=over)
    assert frame[["value", "low", "high"]].isna().all(axis=None)
    assert (frame["n"] == 0).all()
    assert (frame["undefined"] == (5 if over == "targets" else 1)).all()


def test_unknown_cells_are_left_out():
    x, y = normal(14), normal(15)
    x[0, 3] = y[2, 3] = y[4, 5] = np.nan
    known = ~(np.isnan(x) | np.isnan(y) | np.eye(6, dtype=bool))
    frame = agreement({"x": matrix(x)}, matrix(y), over="pairs")
    assert (frame["n"] == 27).all()
    assert by_measure(frame)["spearman"] == pytest.approx(stats.spearmanr(x[known], y[known]).statistic)


def test_rows_and_columns_are_matched_by_name():
    values = normal(16)
    turn = np.array([3, 1, 5, 0, 2, 4])
    names = tuple(NAMES[i] for i in turn)
    turned = TransferMatrix(values[np.ix_(turn, turn)], "truth", names, names)
    np.testing.assert_allclose(agreement({"x": matrix(values)}, turned)["value"], 1)


def test_scores_and_truths_are_all_compared():
    scores = {"a": matrix(normal(17)), "b": matrix(normal(18))}
    truths = {"one": matrix(normal(19)), "two": matrix(normal(20))}
    frame = agreement(scores, truths)
    found = set(zip(frame["estimator"], frame["truth"], frame["measure"], strict=True))
    assert found == {(s, t, m) for s in scores for t in truths for m in MEASURES}
    assert set(agreement(scores, matrix(normal(19), "fine_tune_gain"))["truth"]) == {"fine_tune_gain"}


def test_sources_that_are_no_targets_have_no_diagonal():
    score = matrix(normal(21, 4, 3), sources="wxyz")
    frame = agreement({"x": score}, score, over="pairs")
    assert (frame["n"] == 12).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"truth": matrix(normal(0, 5, 5))}, "same sources"),
        ({"over": "sources"}, "over"),
        ({"level": 1.0}, "level"),
        ({"resamples": 0}, "resamples"),
        ({"scores": {}}, "at least one score"),
        ({"truth": {}}, "at least one score"),
        ({"scores": {"x": matrix(normal(0, 3, 3))}, "truth": matrix(normal(1, 3, 3))}, "at least 3 pairs"),
        ({"scores": {"x": matrix(np.full((6, 6), np.nan))}, "over": "pairs"}, "at least 3 pairs"),
    ],
)
def test_what_cannot_be_compared_is_refused(change, message):
    given = {"scores": {"x": matrix(normal(0))}, "truth": matrix(normal(1))} | change
    with pytest.raises(ValueError, match=message):
        agreement(given.pop("scores"), given.pop("truth"), **given)
