"""Linked views: a task picked in one is picked in all, until they are let go."""

import json
import re

import pytest
from made_runs import a_run

from cltoolkit.widgets import RunExplorer, link


@pytest.fixture
def views():
    return [RunExplorer(a_run(seed=seed)) for seed in range(3)]


def test_a_task_picked_in_any_is_picked_in_all(views):
    both = link(*views)
    for t, view in enumerate(views):
        view.task = t
        assert {each.task for each in views} == {t} == {both.task}
    both.task = -1
    assert {each.task for each in views} == {-1}


def test_the_task_of_the_first_holds_when_they_are_linked(views):
    views[0].task, views[1].task = 2, 1
    assert link(*views).task == views[1].task == 2


def test_each_goes_its_own_way_when_they_are_let_go(views):
    both = link(*views)
    both.unlink()
    both.unlink()
    views[0].task = 3
    assert [each.task for each in views] == [3, -1, -1]


def linked(text):
    return re.search(r'<main data-linked="(\w+)">', text).group(1) == "true"


def test_a_page_of_linked_views_holds_all_of_them(views, tmp_path):
    both = link(*views)
    both.task = 1
    text = both.to_html(tmp_path / "page.html").read_text("utf-8")
    states = [json.loads(found) for found in re.findall(r"data-view=[^>]*>(.*?)</script>", text)]
    assert [state["task"] for state in states] == [1, 1, 1]
    assert linked(text)
    both.unlink()
    assert not linked(both.to_html())


def test_the_title_of_a_page_names_each_once():
    run = a_run()
    assert "<title>HyperNet, seed 0</title>" in link(RunExplorer(run), RunExplorer(run)).to_html()


def test_views_are_shown_one_below_the_other(views, monkeypatch):
    shown = []
    monkeypatch.setattr("IPython.display.display", shown.append)
    both = link(*views)
    both._ipython_display_()
    assert shown == views
    assert (
        repr(both)
        == "Views(RunExplorer(HyperNet, seed 0), RunExplorer(HyperNet, seed 1), RunExplorer(HyperNet, seed 2))"
    )


def test_what_cannot_be_linked_says_why(views):
    with pytest.raises(ValueError, match="expected two views or more to link; got 1"):
        link(views[0])
    with pytest.raises(ValueError, match="the same tasks in the same order"):
        link(views[0], RunExplorer(a_run(T=3)))
    with pytest.raises(TypeError, match=r"expected views, such as RunExplorer\(run\); got Run"):
        link(views[0], a_run())
