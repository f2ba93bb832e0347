"""A run that is left and entered again is the run that `train` makes."""

import itertools
import time

import pytest
import torch
from tiny import learner, sequence

from cltoolkit import Run, resume, train
from cltoolkit.training import Session, Settings

SETTINGS = Settings(epochs=2, batch_size=8)


def begin(name="HyperNet", **places):
    return Session.begin(learner(name), sequence(), SETTINGS, seed=3, **places)


def trained(name="HyperNet"):
    return train(learner(name), sequence(), seed=3, epochs=2, batch_size=8, progress=False)


def same(a: Run, b: Run):
    assert a.accuracy.tobytes() == b.accuracy.tobytes()
    assert {k: v.tobytes() for k, v in a.curves.items()} == {k: v.tobytes() for k, v in b.curves.items()}
    assert {k: v.tobytes() for k, v in a.series.items()} == {k: v.tobytes() for k, v in b.series.items()}


@pytest.mark.parametrize("name", ["Finetune", "HyperNet", "ExSSNeT", "InterContiNet"])
def test_an_exhausted_session_is_what_train_gives(name):
    session = begin(name)
    assert len(list(session)) == sum(session.counts)
    assert session.run.status == "finished"
    same(session.run, trained(name))


@pytest.mark.parametrize("every", [1, 5, 7])
def test_interrupting_and_going_on_changes_nothing(every):
    session = begin()
    while some := list(itertools.islice(session, every)):
        if some[-1].next.task < 3:
            assert session.interrupt().status == "interrupted"
    same(session.run, trained())


def test_an_interrupted_session_goes_on_from_its_folder(tmp_path):
    session = begin(out=tmp_path / "run")
    list(itertools.islice(session, 5))
    session.interrupt()
    assert Run.open(tmp_path / "run").status == "interrupted"
    same(resume(tmp_path / "run", learner=learner("HyperNet"), sequence=sequence(), progress=False), trained())


def test_two_ways_on_from_one_interruption_agree(tmp_path):
    """In memory, and from the folder as it was left."""
    session = begin(out=tmp_path / "run")
    list(itertools.islice(session, 7))
    session.interrupt()
    again = Session.reopen(Run.open(tmp_path / "run"), learner=learner("HyperNet"), sequence=sequence())
    assert again.done == session.done == 7
    list(again)
    list(session)
    same(again.run, session.run)


def test_the_run_is_finished_with_its_last_step():
    session = begin()
    for step in session:
        assert (session.run.status == "finished") == (step.next.task == 3)
        assert session.done == (step.next.step + sum(session.counts[: step.next.task]))


def test_rest_belongs_to_no_task():
    session = begin("Finetune")
    next(session)
    session.rest()
    booked = session.run.seconds.sum()
    time.sleep(0.2)
    next(session)
    session.rest()
    assert session.run.seconds.sum() - booked < 0.2


def test_events_are_the_steps_so_far():
    session = begin()
    assert session.events == []
    taken = [next(session) for _ in range(3)]
    assert [event["step"] for event in session.events] == [step.step for step in taken]
    assert session.events[1]["loss"] == pytest.approx(float(taken[1].losses["loss"]))


class Broken(torch.nn.Module):
    """Fails at the fourth image batch it sees in training."""

    def __init__(self):
        super().__init__()
        self.linear, self.seen = torch.nn.Linear(6, 2), 0

    def forward(self, x):
        self.seen += self.training
        if self.seen > 3:
            raise RuntimeError("the network broke")
        return self.linear(x)


def test_an_error_ends_it_and_is_not_called_finished(tmp_path):
    from cltoolkit.learners import Finetune
    from cltoolkit.randomness import seeded

    with seeded(0, "test"):
        net = Broken()
    session = Session.begin(Finetune(net), sequence(), SETTINGS, out=tmp_path / "run")
    with pytest.raises(RuntimeError, match="broke"):
        list(session)
    assert session.run.status == Run.open(tmp_path / "run").status == "interrupted"
    assert list(session) == []
    assert session.interrupt().status == "interrupted"


def test_a_run_without_a_folder_cannot_be_reopened():
    with pytest.raises(ValueError, match="expected a run with a folder"):
        Session.reopen(trained(), learner=learner("HyperNet"), sequence=sequence())
