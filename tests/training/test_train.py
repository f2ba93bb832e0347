"""What a Run holds after `train`, and what `train` refuses before it begins."""

import math
import shutil
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
import torch
from torch import Tensor, nn

from cltoolkit import networks
from cltoolkit.learners import Finetune, HyperNet, Joint, Learner, Separate
from cltoolkit.randomness import stream
from cltoolkit.records import Run
from cltoolkit.tasks import Examples, Task, TaskSequence
from cltoolkit.training import Settings, evaluate, train


def trained(learner: Learner | None = None, sequence: TaskSequence | None = None, **settings: Any) -> Run:
    """A small run on the CPU."""
    few = {"epochs": 2, "batch_size": 8, "device": "cpu", "progress": False} | settings
    return train(learner or Finetune(tiny.net()), sequence or tiny.sequence(3), **few)


def test_every_cell_is_measured_and_row_0_before_training() -> None:
    sequence = tiny.sequence(3)
    fresh = Finetune(tiny.net())
    fresh.start(seed=4)
    run = trained(sequence=sequence, seed=4)
    assert run.accuracy.shape == (4, 3)
    assert run.accuracy.dtype == np.float64
    assert not np.isnan(run.accuracy).any()
    assert np.array_equal(run.accuracy[0], evaluate(fresh, sequence))
    assert (run.status, run.T, run.num_tasks, run.seed, run.name) == ("finished", 3, 3, 4, "Finetune")


def test_the_last_row_is_what_the_learner_answers_now() -> None:
    sequence, learner = tiny.sequence(3), Separate(tiny.net())
    run = trained(learner, sequence)
    assert np.array_equal(run.accuracy[3], evaluate(learner, sequence))
    assert np.array_equal(np.tril(run.accuracy[1:]), np.tril(np.tile(run.accuracy[3], (3, 1))))  # it forgets nothing


def test_cells_without_weights_are_nan() -> None:
    learner = Separate(tiny.net())
    learner.starting = lambda t: None
    run = trained(learner)
    assert np.array_equal(np.isnan(run.accuracy), np.triu(np.ones((4, 3), dtype=bool)))
    assert run.num_tasks == 3


def test_curves_hold_every_step() -> None:
    run = trained(HyperNet(tiny.net(), embedding_dim=4, hidden=(8,)))
    assert set(run.curves) == {"task", "epoch", "step", "loss", "regularizer"}
    assert run.curves["task"].tolist() == [t for t in range(3) for _ in range(6)]
    assert run.curves["epoch"].tolist() == [0, 0, 0, 1, 1, 1] * 3
    assert run.curves["step"].tolist() == [*range(6)] * 3
    assert np.isfinite(run.curves["loss"]).all()
    assert np.isnan(run.curves["regularizer"]).tolist() == [True] * 6 + [False] * 12


@pytest.mark.parametrize("every", [1, 4, 5, 6, 100])
def test_log_every_keeps_each_such_step_and_the_last(every: int) -> None:
    full, run = trained(), trained(log_every=every)
    keep = [s % every == 0 or s == 5 for s in full.curves["step"]]
    for name, values in run.curves.items():
        assert np.array_equal(values, full.curves[name][keep])


def test_many_logged_steps_come_in_order() -> None:
    """More than are fetched from the device at a time."""
    run = trained(sequence=tiny.sequence(1), epochs=200)
    assert run.curves["step"].tolist() == list(range(600))


def test_anytime_accuracy_is_measured_on_known_tasks() -> None:
    run = trained(eval_every=2)
    assert run.anytime["task"].tolist() == [0, 0, 1, 1, 2, 2]
    assert run.anytime["step"].tolist() == [1, 3] * 3
    assert np.isnan(run.anytime["accuracy"]).tolist() == [[j > t for j in range(3)] for t in (0, 0, 1, 1, 2, 2)]
    assert np.array_equal(run.accuracy, trained().accuracy)  # looking changes nothing
    assert trained().anytime == {}


def test_times_and_memory_are_measured() -> None:
    run = trained()
    assert (run.seconds > 0).all()
    assert run.memory.shape == (3,)
    assert (run.memory > 1e6).all()


def test_the_methods_own_series_are_kept() -> None:
    learner = HyperNet(tiny.net(), embedding_dim=4, hidden=(8,))
    run = trained(learner)
    values = run.series["embeddings"]
    assert values.shape == (3, 3, 4)
    assert np.isnan(values[..., 0]).tolist() == [[j > i for j in range(3)] for i in range(3)]
    assert [e.shape for e in run.embeddings] == [(1, 4), (2, 4), (3, 4)]
    assert np.array_equal(run.embeddings[2][0], run.embeddings[0][0])  # an embedding is frozen once learned


def test_same_seed_same_bytes_and_another_seed_others() -> None:
    a, b, c = trained(seed=1), trained(seed=1), trained(seed=2)
    assert a.accuracy.tobytes() == b.accuracy.tobytes()
    assert a.curves["loss"].tobytes() == b.curves["loss"].tobytes()
    assert not np.isin(c.curves["loss"], a.curves["loss"]).any()


def test_a_folder_changes_nothing_and_holds_the_same(tmp_path: Path) -> None:
    plain, kept = trained(), trained(out=tmp_path / "run", checkpoint_every=2)
    opened = Run.open(tmp_path / "run")
    for other in (kept, opened):
        assert np.array_equal(other.accuracy, plain.accuracy)
        assert all(np.array_equal(values, plain.curves[name]) for name, values in other.curves.items())
        assert other.config == kept.config
    assert opened.status == "finished"
    assert sorted(p.name for p in (tmp_path / "run").iterdir()) == [
        "arrays.safetensors",
        "events.jsonl",
        "run.json",
        "states",
    ]
    assert sorted(p.stem for p in (tmp_path / "run" / "states").iterdir()) == ["000", "001", "002", "003"]


def test_the_record_says_how_it_was_made() -> None:
    run = trained(Joint(tiny.net(), lr=0.02), seed=3)
    assert run.config["learner"] == {"name": "Joint", "config": {"lr": 0.02}}
    assert run.config["seed"] == 3
    assert run.config["training"] == Settings(epochs=2, batch_size=8).__dict__
    task = run.config["sequence"]["tasks"][1]
    assert len(task.pop("probe")) == 3  # a number for each part, by which other data would be noticed
    assert task == {
        "name": "t1", "classes": ["2", "3"], "outputs": [0, 1], "train": 22, "test": 30, "validation": 8,
    }  # fmt: skip
    assert {"torch", "python", "device", "threads"} <= set(run.environment)


def test_without_snapshots_the_last_state_alone_is_kept(tmp_path: Path) -> None:
    trained(out=tmp_path / "run", snapshots=False)
    assert [p.stem for p in (tmp_path / "run" / "states").iterdir()] == ["003"]


# What is refused, before any training


def never(*args: object) -> None:
    raise AssertionError("training began")


def idle(net: nn.Module) -> Learner:
    learner = Finetune(net)
    learner._start = learner._begin = learner._step = never
    return learner


@pytest.mark.parametrize(
    ("net", "sequence", "message"),
    [
        (
            lambda: tiny.net(2),
            lambda: tiny.sequence(2, scenario="class"),
            "has 2 outputs; tiny in scenario .* needs 4",
        ),
        (lambda: tiny.net(1), lambda: tiny.sequence(2), "has 1 outputs; tiny in scenario 'task' needs 2. Build it"),
        (lambda: networks.mlp((5,), (4,), 2), lambda: tiny.sequence(2), r"does not take inputs of shape \(6,\)"),
        (lambda: networks.lenet((1, 28, 28), 2), lambda: tiny.sequence(2), r"does not take inputs of shape \(6,\)"),
    ],
    ids=["too few for classes", "too few", "other size", "images"],
)
def test_a_network_that_does_not_fit_is_refused(
    tmp_path: Path, net: Callable[[], nn.Module], sequence: Callable[[], TaskSequence], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        trained(idle(net()), sequence(), out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"epochs": 0}, "expected epochs to be a whole number of at least 1; got 0"),
        ({"epochs": 1.5}, "expected epochs to be a whole number"),
        ({"batch_size": -3}, "expected batch_size .* got -3"),
        ({"eval_every": 0}, "expected eval_every"),
        ({"log_every": 0}, "expected log_every"),
        ({"log_every": None}, "expected log_every"),
        ({"checkpoint_every": 0}, "expected checkpoint_every"),
        ({"precision": "fp8"}, "expected precision=None or 'bf16'; got 'fp8'"),
        ({"device": "cdua"}, "expected a device such as 'cpu', .* got 'cdua'"),
    ],
    ids=str,
)
def test_a_setting_out_of_range_is_refused(tmp_path: Path, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        trained(idle(tiny.net()), out=tmp_path / "run", **settings)
    assert not (tmp_path / "run").exists()


def test_cuda_where_there_is_none_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ValueError, match="'cuda:0' was asked for, but torch finds no CUDA device here; use"):
        trained(idle(tiny.net()), device="cuda:0")


def test_a_learner_that_has_learned_is_refused(tmp_path: Path) -> None:
    learner = Finetune(tiny.net())
    trained(learner)
    with pytest.raises(ValueError, match="has learned 3 tasks, which a new start would lose"):
        trained(learner, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_folder_in_use_is_refused_unless_overwritten(tmp_path: Path) -> None:
    out = tmp_path / "run"
    first = trained(out=out, seed=1)
    with pytest.raises(
        FileExistsError, match=r"is not empty. Go on with resume\(.*\), choose another .*overwrite=True"
    ):
        trained(out=out, seed=2)
    assert np.array_equal(Run.open(out).accuracy, first.accuracy)
    second = trained(out=out, seed=2, overwrite=True)
    assert np.array_equal(Run.open(out).accuracy, second.accuracy)
    assert Run.open(out).seed == 2


def test_only_runs_are_ever_deleted(tmp_path: Path) -> None:
    out = tmp_path / "thesis"
    out.mkdir()
    (out / "chapter1.tex").write_text("years of work")
    with pytest.raises(FileExistsError, match="is no run's folder, so overwrite=True does not delete it"):
        trained(out=out, overwrite=True)
    (out / "arrays.safetensors").write_text("beside what a run begins with")
    with pytest.raises(FileExistsError, match="is no run's folder"):
        trained(out=out, overwrite=True)
    assert (out / "chapter1.tex").read_text() == "years of work"
    with pytest.raises(FileExistsError, match="is no run's folder"):
        trained(out=out / "chapter1.tex", overwrite=True)


def test_an_empty_folder_is_taken_and_missing_parents_are_made(tmp_path: Path) -> None:
    assert trained(out=tmp_path, epochs=1).path == tmp_path
    assert trained(out=tmp_path / "a" / "b", epochs=1).status == "finished"


# What happens on the way


def test_a_loss_that_is_no_number_is_said_once(tmp_path: Path) -> None:
    with pytest.warns(RuntimeWarning, match=r"loss became (nan|inf) in task \d, step \d+; lower the .* `lr`") as seen:
        run = trained(Finetune(tiny.net(), lr=1e30), out=tmp_path / "run")
    assert len(seen) == 1
    assert run.status == "finished"
    opened = Run.open(tmp_path / "run")
    assert np.array_equal(opened.curves["loss"], run.curves["loss"], equal_nan=True)
    assert not np.isfinite(run.curves["loss"]).all()


def test_bf16_trains_and_stays_close() -> None:
    sequence = tiny.sequence(2)
    full, half = (trained(Separate(tiny.net(), lr=0.02), sequence, epochs=20, precision=p) for p in (None, "bf16"))
    assert not np.array_equal(full.curves["loss"], half.curves["loss"])  # it is another arithmetic
    np.testing.assert_allclose(half.curves["loss"], full.curves["loss"], atol=0.05)
    np.testing.assert_allclose(np.diag(half.accuracy[1:]), np.diag(full.accuracy[1:]), atol=0.05)


@pytest.mark.slow
def test_compiling_changes_no_result() -> None:
    if shutil.which("g++") is None and shutil.which("clang++") is None:
        pytest.skip("torch.compile needs a C++ compiler on the CPU, and there is none")
    sequence = tiny.sequence(1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the compiler has its own
        fast = trained(Finetune(tiny.net()), sequence, compile=True)
    plain = trained(Finetune(tiny.net()), sequence)
    np.testing.assert_allclose(fast.curves["loss"], plain.curves["loss"], rtol=1e-4)


def test_the_bar_shows_tasks_and_accuracy(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TQDM_DISABLE", raising=False)
    trained(progress=True)
    shown = capsys.readouterr()
    assert "task 3/3 t2" in shown.err
    assert "18/18" in shown.err
    assert "accuracy=" in shown.err
    trained(progress=False)
    assert capsys.readouterr().err == ""


def test_validation_data_is_for_choices_and_can_be_measured() -> None:
    sequence, learner = tiny.sequence(2), Separate(tiny.net())
    trained(learner, sequence)
    assert evaluate(learner, sequence, part="validation").shape == (2,)
    without = TaskSequence([replace(task, validation=None) for task in sequence])
    assert np.isnan(evaluate(learner, without, part="validation")).all()


def test_a_task_of_one_batch_and_one_of_many(tmp_path: Path) -> None:
    """Tasks may differ in size and in their number of classes."""
    sequence = TaskSequence([tiny.task(0, n=4), tiny.task(1, n=40, classes=(5, 6, 7))])
    run = trained(Finetune(tiny.net(3)), sequence, out=tmp_path / "run", epochs=1)
    assert run.curves["task"].tolist() == [0] + [1] * 5
    assert math.isclose(run.accuracy[2, 1] * 30, round(run.accuracy[2, 1] * 30))


def test_shared_storage_stays_shared(monkeypatch: pytest.MonkeyPatch) -> None:
    """A data set of which every task takes another view is moved to the device once."""
    x, moved = torch.rand(40, tiny.FEATURES, generator=stream(0, "x")), []
    y = torch.arange(40) % 2
    tasks = [Task(f"v{t}", Examples(x, y, transform=lambda b, t=t: b.roll(t, 1)), Examples(x, y)) for t in range(3)]
    to = Tensor.to
    monkeypatch.setattr(Tensor, "to", lambda self, *a, **k: moved.append(id(self)) or to(self, *a, **k))
    TaskSequence(tasks).to("cpu")
    assert moved.count(id(x)) == 1
