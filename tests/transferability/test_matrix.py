"""The transfer matrix: shares and ranks by hand, intervals as scipy has them, a file that comes back to the bit."""

import json

import numpy as np
import pytest
from scipy import stats

from cltoolkit.transferability._matrix import TransferMatrix

NAMES = ("a", "b", "c")


def matrix(values, **given):
    values = np.asarray(values, dtype=float)
    sources = tuple(f"s{i}" for i in range(values.shape[0]))
    targets = tuple(f"t{i}" for i in range(values.shape[1]))
    return TransferMatrix(values, given.pop("estimator", "h_score"), sources, targets, **given)


def test_shares_of_a_column_are_its_scores_over_their_sum():
    shares = matrix([[1.0, 4.0], [3.0, 4.0]]).normalized()
    np.testing.assert_allclose(shares, [[0.25, 0.5], [0.75, 0.5]])


def test_shares_are_the_principal_eigenvector_of_the_ratios():
    scores = np.random.default_rng(0).uniform(1, 5, size=(6, 1))
    eigenvalues, vectors = np.linalg.eig(scores / scores.T)
    principal = vectors[:, np.argmax(eigenvalues.real)].real
    np.testing.assert_allclose(matrix(scores).normalized()[:, 0], principal / principal.sum(), rtol=1e-12)


def test_columns_with_a_negative_score_have_shares_by_softmax():
    shares = matrix([[-1.0, 1.0], [0.5, 3.0]]).normalized()
    expected = np.exp([-1.0, 0.5])
    np.testing.assert_allclose(shares[:, 0], expected / expected.sum())
    np.testing.assert_allclose(shares[:, 1], [0.25, 0.75])


def test_shares_of_nothing_are_equal_and_unknown_scores_have_none():
    shares = matrix([[0.0, np.nan, 2.0], [0.0, np.nan, np.nan]]).normalized()
    np.testing.assert_array_equal(shares, [[0.5, np.nan, 1.0], [0.5, np.nan, np.nan]])


def test_ranks_are_within_a_column_with_ties_shared_and_gaps_kept():
    ranks = matrix([[3.0, 1.0], [3.0, np.nan], [9.0, 2.0]]).ranks()
    np.testing.assert_array_equal(ranks, [[2.5, 2.0], [2.5, np.nan], [1.0, 1.0]])


def test_interval_is_student_t_of_the_repetitions():
    samples = np.random.default_rng(1).normal(size=(5, 2, 3))
    low, high = matrix(samples.mean(0), samples=samples).interval(0.9)
    for s, t in np.ndindex(2, 3):
        cell = samples[:, s, t]
        expected = stats.t.interval(0.9, 4, loc=cell.mean(), scale=stats.sem(cell))
        np.testing.assert_allclose((low[s, t], high[s, t]), expected, rtol=1e-12)


@pytest.mark.parametrize("samples", [None, np.ones((1, 2, 3))])
def test_without_repetitions_the_interval_is_unknown(samples):
    assert np.isnan(matrix(np.ones((2, 3)), samples=samples).interval()).all()


def test_frame_has_sources_as_rows():
    frame = matrix([[1.0, 2.0]]).to_frame()
    assert frame.loc["s0", "t1"] == 2
    assert (frame.index.name, frame.columns.name) == ("source", "target")


def test_file_gives_back_every_bit(tmp_path):
    random = np.random.default_rng(2)
    values = random.normal(size=(2, 3))
    values[0, 1] = np.nan
    before = matrix(
        values, floor=values / 3, samples=random.normal(size=(4, 2, 3)), settings={"seed": 3, "a": [1, "x"]}
    )
    after = TransferMatrix.open(before.save(tmp_path / "deep" / "matrix.json"))
    for name in ("values", "floor", "samples"):
        assert getattr(before, name).tobytes() == getattr(after, name).tobytes()
    for name in ("estimator", "sources", "targets", "settings"):
        assert getattr(before, name) == getattr(after, name)


def test_file_that_is_no_matrix_is_refused(tmp_path):
    file = matrix([[1.0, 2.0]]).save(tmp_path / "m.json")
    content = json.loads(file.read_text())
    wrong = [
        file.read_text()[:40],
        "[]",
        json.dumps(content | {"format": "other"}),
        json.dumps(content | {"version": 99}),
        json.dumps(content | {"values": [[1.0]]}),
        json.dumps(content | {"sources": None}),
        json.dumps(content | {"values": None}),
        json.dumps({k: v for k, v in content.items() if k != "floor"}),
    ]
    for text in wrong:
        file.write_text(text)
        with pytest.raises(ValueError, match="no transfer matrix"):
            TransferMatrix.open(file)
    with pytest.raises(FileNotFoundError):
        TransferMatrix.open(tmp_path / "missing.json")


def test_settings_that_json_does_not_know_are_refused(tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        matrix([[1.0]], settings={"f": object()}).save(tmp_path / "m.json")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"values": np.ones((2, 2))}, "values of shape"),
        ({"values": np.full((2, 3), np.inf)}, "finite"),
        ({"sources": ("a", "a")}, "name of its own"),
        ({"sources": "ab"}, "tuple of names"),
        ({"floor": np.ones(3)}, "floor of shape"),
        ({"samples": np.ones((2, 3))}, "samples of shape"),
        ({"samples": np.ones((0, 2, 3))}, "samples of shape"),
    ],
)
def test_what_does_not_fit_is_refused(given, message):
    right = {"values": np.ones((2, 3)), "estimator": "leep", "sources": ("a", "b"), "targets": NAMES}
    TransferMatrix(**right)
    with pytest.raises(ValueError, match=message):
        TransferMatrix(**right | given)


def test_values_given_are_not_shared():
    values = np.ones((1, 2))
    made = matrix(values)
    values[:] = 0
    assert made.values.sum() == 2
