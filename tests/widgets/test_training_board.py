"""A board trains as `train` does, can be held at any step, and loses nothing."""

import base64
import threading
import time

import numpy as np
import pytest
import torch
from tiny import learner, sequence

from cltoolkit import Run, resume, train
from cltoolkit.learners import Finetune
from cltoolkit.randomness import seeded
from cltoolkit.widgets import TrainingBoard
from cltoolkit.widgets._gate import Gate
from cltoolkit.widgets._live import is_live
from cltoolkit.widgets._thinned import Thinned


def board(name="HyperNet", tasks=3, **settings):
    return TrainingBoard(learner(name), sequence(tasks), seed=3, epochs=2, batch_size=8, **settings)


def trained(name="HyperNet"):
    return train(learner(name), sequence(), seed=3, epochs=2, batch_size=8, progress=False)


def say(view, wish):
    """What a button sends."""
    view._hear(view, {"do": wish}, [])


def until(view, state, seconds=20.0):
    end = time.monotonic() + seconds
    while view.state != state:
        assert time.monotonic() < end, f"{view.state}, expected {state}: {view.problem}"
        time.sleep(0.005)


def shown(view, name):
    held = view.arrays[name]
    return np.frombuffer(held["data"], dtype="<f4").reshape(held["shape"])


@pytest.mark.parametrize("name", ["Finetune", "HyperNet", "HyperInterval", "InterContiNet", "ExSSNeT"])
def test_the_numbers_are_those_of_train(name):
    view = board(name).start()
    assert view.state == "finished"
    assert view.run.accuracy.tobytes() == trained(name).accuracy.tobytes()
    np.testing.assert_allclose(shown(view, "accuracy"), view.run.accuracy, atol=1e-7)


def test_nothing_is_live_here_so_start_trains_to_the_end():
    assert not is_live()
    assert board().start().wait()


def test_buttons_hold_step_and_go_on_without_a_trace():
    view, steps = board(), 3 * 6
    say(view, "step")
    until(view, "paused")
    assert view.place["done"] == 1
    say(view, "task")
    until_done(view, 6)
    assert view.run.num_tasks == 1
    say(view, "task")
    until_done(view, 12)
    say(view, "stop")
    until(view, "stopped")
    assert view.run.status == "interrupted"
    say(view, "start")
    until(view, "finished")
    assert view.place["done"] == steps
    assert view.run.accuracy.tobytes() == trained().accuracy.tobytes()


def until_done(view, steps):
    end = time.monotonic() + 20
    while not (view.state == "paused" and view.place["done"] == steps):
        assert time.monotonic() < end, (view.state, view.place)
        time.sleep(0.005)


def test_a_pause_holds_after_the_step_under_way():
    view = board()
    view.step(2)
    until(view, "paused")
    at = view.place["done"]
    time.sleep(0.1)
    assert view.place["done"] == at == 2
    view.stop()


def test_a_stopped_board_goes_on_from_its_folder(tmp_path):
    view = board(out=tmp_path / "run")
    view.step(8)
    until_done(view, 8)
    view.stop()
    again = TrainingBoard.reopen(tmp_path / "run", learner=learner("HyperNet"), sequence=sequence())
    assert again.place["done"] == 8
    assert again.start().state == "finished"
    assert again.run.accuracy.tobytes() == trained().accuracy.tobytes()
    assert resume(tmp_path / "run").status == "finished"


def test_stopping_before_the_first_step_leaves_a_run_to_go_on_with(tmp_path):
    view = board(out=tmp_path / "run")
    assert view.stop().status == "interrupted"
    assert view.state == "stopped"
    assert Run.open(tmp_path / "run").status == "interrupted"
    assert view.start().state == "finished"


class Breaks(torch.nn.Module):
    """Fails in training once it has seen so many batches."""

    def __init__(self, after):
        super().__init__()
        self.linear, self.left = torch.nn.Linear(6, 2), after

    def forward(self, x):
        self.left -= self.training
        if self.left < 0:
            raise RuntimeError("<b>the network broke</b>")
        return self.linear(x)


def breaking(tmp_path):
    with seeded(0, "test"):
        net = Breaks(after=8)
    return TrainingBoard(Finetune(net), sequence(), epochs=2, batch_size=8, out=tmp_path / "run")


def test_an_error_in_the_thread_is_shown_and_loses_nothing(tmp_path):
    view = breaking(tmp_path)
    say(view, "start")
    until(view, "failed")
    assert "Traceback" in view.problem
    assert "RuntimeError: <b>the network broke</b>" in view.problem
    kept = Run.open(tmp_path / "run")
    assert kept.status == "interrupted"
    assert kept.num_tasks == 1
    np.testing.assert_array_equal(kept.accuracy[1], view.run.accuracy[1])
    assert "&lt;b&gt;" not in view.problem
    say(view, "start")
    assert view.state == "failed"
    assert "<b>the network broke" not in str(view.to_html())  # in the page `<` is spelled otherwise


def test_the_result_is_waited_for_and_what_is_held_goes_on():
    view = board()
    say(view, "step")
    until(view, "paused")
    assert view.result().accuracy.tobytes() == trained().accuracy.tobytes()
    assert view.result() is view.run


def test_a_failure_is_the_result(tmp_path):
    view = breaking(tmp_path)
    say(view, "start")
    with pytest.raises(RuntimeError, match="training failed"):
        view.result()


def test_an_error_where_nobody_watches_is_raised_and_shown(tmp_path):
    view = breaking(tmp_path)
    with pytest.raises(RuntimeError, match="broke"):
        view.start()
    assert view.state == "failed"
    assert "Traceback" in view.problem


def test_a_bad_setting_is_refused_before_any_training(tmp_path):
    with pytest.raises(ValueError, match="epochs"):
        TrainingBoard(learner("Finetune"), sequence(), epochs=0)
    (tmp_path / "mine").write_text("precious")
    with pytest.raises(FileExistsError):
        TrainingBoard(learner("Finetune"), sequence(), out=tmp_path)
    with pytest.raises(ValueError, match="one step or more"):
        board().step(0)


def test_a_full_board_shows_curves_and_places():
    view = board("HyperInterval").start()
    assert view.content["curves"][0] == "loss"
    assert shown(view, "curve/loss").shape == (18, 4)
    assert shown(view, "map").shape == (3, 2)
    assert shown(view, "widths").shape[1] == 4
    moved = view.learner.moving()["embeddings"]
    apart = torch.cdist(moved, moved)
    on_map = torch.cdist(*[torch.from_numpy(shown(view, "map").copy())] * 2)
    assert (on_map <= apart + 1e-4).all()  # a projection lengthens nothing


def test_accuracies_within_a_task_are_shown_where_they_are_measured():
    view = board(eval_every=2)
    view.step(8)
    until_done(view, 8)
    np.testing.assert_allclose(shown(view, "accuracy")[2], view.run.anytime["accuracy"][-1], atol=1e-7)
    assert np.isnan(view.run.accuracy[2]).all()
    view.stop()


def test_figure_words_and_repr_follow_training():
    view = board()
    assert repr(view) == "TrainingBoard(HyperNet on tiny, 0 of 3 tasks, ready)"
    assert len(view.figure().axes) >= 1
    view.start()
    assert repr(view) == "TrainingBoard(HyperNet on tiny, 3 of 3 tasks, finished)"
    assert "3 of 3 tasks learned" in view.alt_text
    data, metadata = view._repr_mimebundle_()
    assert data["text/plain"] == repr(view)
    assert base64.b64decode(data["image/png"]).startswith(b"\x89PNG")
    assert metadata["image/png"]["alt"] == view.alt_text


def test_the_board_looks_at_most_a_few_times_a_second():
    view = board("Finetune", tasks=2)
    looks = view.rev
    say(view, "start")
    until(view, "finished")
    assert view.rev - looks <= 2 + 2 + view.run.seconds.sum() / 0.25 + 1


def test_a_gate_counts_who_passes():
    gate, passed = Gate(), []
    thread = threading.Thread(target=lambda: [passed.append(1) for _ in iter(gate.passes, False)])
    thread.start()
    gate.admit(3)
    while len(passed) < 3:
        time.sleep(0.001)
    time.sleep(0.02)
    assert len(passed) == 3
    gate.end()
    thread.join(5)
    assert not thread.is_alive()


@pytest.mark.parametrize("count", [0, 1, 7, 8, 9, 64, 1000])
@pytest.mark.parametrize("portion", [1, 3, 1000])
def test_a_thinned_curve_keeps_mean_and_extremes(count, portion):
    values = np.cos(np.arange(count) ** 1.3)
    line = Thinned(room=8)
    for first in range(0, count, portion):
        line.add(values[first : first + portion])
    rows = line.stretches()
    assert len(rows) <= 9
    assert bool(count) == bool(len(rows))
    ends = [*rows[1:, 0].astype(int), count][: len(rows)]
    for (begin, mean, low, high), end in zip(rows, ends, strict=True):
        own = values[int(begin) : end]
        np.testing.assert_allclose([mean, low, high], [own.mean(), own.min(), own.max()])


def test_a_thinned_curve_passes_over_what_is_unknown():
    line = Thinned(room=2)
    line.add([np.nan, 2.0, np.nan, np.nan])
    np.testing.assert_array_equal(line.stretches(), [[0, 2, 2, 2], [2, np.nan, np.nan, np.nan]])
