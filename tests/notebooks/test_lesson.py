"""Right answers are right, wrong ones get their hint, and nothing that a student hands over is an error."""

import html
import math
from types import MappingProxyType

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cltoolkit.notebooks import Lesson


def lesson_of(value, **options):
    lesson = Lesson("one")
    lesson.answer("a", value, **options)
    return lesson


class Hostile:
    """Fails at whatever is asked of it."""

    def __array__(self, *args, **kwargs):
        raise RuntimeError("no")

    def __eq__(self, other):
        raise RuntimeError("no")

    def __repr__(self):
        raise RuntimeError("no")

    __hash__ = None


recursive: list[object] = []
recursive.append(recursive)
STRANGE = [
    Hostile(),
    Hostile,
    recursive,
    object(),
    "",
    "0.5",
    b"0.5",
    math.nan,
    math.inf,
    10**400,
    1j,
    True,
    {},
    {7},
    {"a": Hostile()},
    [[1, 2], [3]],
    [],
    range(3),
    len,
    lambda: 0.5,
    np.array("a"),
    np.zeros((0, 3)),
    torch.zeros(2, 2, requires_grad=True),
    torch.zeros(3, dtype=torch.complex64),
]
ANSWERS = [0.5, 3, True, "task", [0.1, 0.2], np.eye(2), torch.tensor([1, 2]), {1, 2}, {"a": 1.0}, ["x", 2.0, [1, 2]]]


@pytest.mark.parametrize("right", ANSWERS, ids=str)
def test_the_right_answer_is_right_and_no_strange_one_is_an_error(right):
    lesson = lesson_of(right, hints=[(lambda value: value > 7, "large"), (Hostile(), "never"), "think"])
    for value in STRANGE:
        feedback = lesson.check("a", value)
        assert feedback.kind == ("right" if value is True and right is True else "wrong")
        assert repr(feedback)
        assert feedback._repr_html_()
    assert lesson.check("a", right)
    assert repr(lesson) == "Lesson 'one': 1 of 1 right"


@pytest.mark.parametrize("value", [None, ...])
def test_nothing_is_no_answer(value):
    feedback = lesson_of(0.5).check("a", value)
    assert not feedback
    assert repr(feedback) == "… open: not answered yet"


@pytest.mark.parametrize(
    ("right", "same"),
    [
        (0.5, np.float32(0.5)),
        (0.5, torch.tensor(0.5, requires_grad=True)),
        (3, 3.0),
        ([1, 2], (1, 2)),
        (np.array([1.0, math.nan]), [1, math.nan]),
        ("Task 1", " task 1 "),
        ({1, 2}, [2, 1]),
        (np.True_, True),
        ({"a": [1, 2]}, MappingProxyType({"a": np.array([1, 2])})),
    ],
    ids=str,
)
def test_the_same_in_another_dress_is_right(right, same):
    assert lesson_of(right).check("a", same)


@settings(max_examples=25)
@given(st.floats(-1e6, 1e6), st.floats(1e-3, 10))
def test_a_number_is_right_within_the_tolerance_alone(right, tolerance):
    lesson = lesson_of(right, tolerance=tolerance)
    assert lesson.check("a", right + 0.9 * tolerance)
    assert not lesson.check("a", right + 1.1 * tolerance)


@pytest.mark.parametrize(
    ("right", "wrong", "said"),
    [
        (0.5, [0.5], "expected one number; got an array of shape (1,)"),
        (0.5, "0.5", "expected one number; got a text"),
        (0.5, len, "expected one number; got a builtin_function_or_method"),
        (0.5, lambda: 0.5, "call it"),
        (0.5, math.nan, "not a number"),
        (np.eye(2), np.eye(3), "expected an array of shape (2, 2); got an array of shape (3, 3)"),
        (np.eye(2), np.ones((2, 2)), "2 of 4 numbers"),
        (True, 1, "expected True or False; got a number"),
        ("a", 1, "expected a text"),
        ({1}, 1, "expected a set"),
        (["a"], "a", "expected a list"),
        (["a"], ["a", "b"], "expected 1 things; got 2"),
        ({"a": 1}, {"b": 1}, "the keys are others"),
    ],
    ids=lambda value: "function" if callable(value) else str(value),
)
def test_a_wrong_form_is_said_without_the_answer(right, wrong, said):
    assert said in lesson_of(right).check("a", wrong).text


def test_a_hint_is_for_the_answers_that_it_fits():
    lesson = lesson_of(0.5, hints=[(-0.5, "which comes first?"), (lambda v: v > 1, "in percent?"), "look again"])
    assert lesson.check("a", -0.5).text == "which comes first?"
    assert lesson.check("a", 50).text == "in percent?"
    assert lesson.check("a", 0.7).text == "look again"


def test_the_answer_is_told_only_after_the_last_hint():
    lesson = lesson_of(0.123, hints=["one", "two"])
    said = [lesson.check("a", value).text for value in (1, 1, 2, 2, 1, 3, 4)]
    assert said[:5] == ["one", "one", "two", "two", "two"]
    assert all("0.123" in text for text in said[5:])


def test_without_hints_the_answer_is_never_told():
    lesson = lesson_of(0.123)
    assert all("0.123" not in lesson.check("a", value).text for value in range(20))


def test_an_answer_is_computed_when_it_is_needed():
    calls = []
    lesson = lesson_of(lambda: calls.append(0) or 0.5)
    assert not calls
    assert lesson.check("a", 0.5)
    assert lesson_of(lambda: 1 / 0).check("a", 3).kind == "open"


def test_names_that_mean_nothing_are_said():
    assert "run the cells above" in Lesson().check("a", 1).text
    assert "did you mean 'bwt'" in _with("bwt").check("bwtt", 1).text
    assert _with("bwt").check(["bwt"], 1).kind == "open"


def _with(name):
    lesson = Lesson()
    lesson.answer(name, 1)
    return lesson


def test_whatever_is_shown_is_escaped():
    evil = "<img src=x onerror=\"document.title='hit'\">"
    shown = [_with("a").check(evil, 1), lesson_of(1, hints=[evil]).check("a", 2)]
    assert all("<img" not in feedback._repr_html_() for feedback in shown)
    assert all(html.escape("<img src=x onerror=") in feedback._repr_html_() for feedback in shown)


def test_an_answer_said_again_starts_anew():
    lesson = lesson_of(1, hints=["one"])
    lesson.check("a", 2)
    lesson.answer("a", 3, hints=["two"])
    assert lesson.check("a", 2).text == "two"
    assert repr(lesson) == "Lesson 'one': 0 of 1 right"


@pytest.mark.parametrize(("value", "tolerance"), [(None, 0), (..., 0), (1, -1), (1, math.nan)])
def test_an_answer_that_cannot_be_one_is_refused(value, tolerance):
    with pytest.raises(ValueError, match="expected"):
        lesson_of(value, tolerance=tolerance)
