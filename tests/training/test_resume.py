"""A run that was stopped, in whatever way, goes on to the same bytes; and so does one that gets further tasks."""

import json
import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import mortal
import numpy as np
import pytest
import tiny
import torch
from torch import Tensor

from cltoolkit import learners, networks, sequences
from cltoolkit.learners import HyperNet, Learner, Separate
from cltoolkit.records import Run, RunError, read_tensors
from cltoolkit.tasks import Task, TaskSequence
from cltoolkit.training import evaluate, restore, resume, train

TIMES = {"run/seconds", "run/memory"}  # in a state file, these alone are measured by a clock
every_method = pytest.mark.parametrize("name", learners.METHODS)
needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")


class Boom(Exception):
    """An accident."""


def learner(name: str) -> Learner:
    return tiny.learner(name, batch_norm=True, dropout=True)


def trained(
    name: str, out: Path, *, made: Learner | None = None, sequence: TaskSequence | None = None, **settings: Any
) -> Run:
    return train(made or learner(name), sequence or tiny.sequence(3), out=out, **mortal.SETTINGS | settings)


def resumed(name: str, out: Path, *, made: Learner | None = None, sequence: TaskSequence | None = None) -> Run:
    return resume(
        out, learner=made or learner(name), sequence=sequence or tiny.sequence(3), device="cpu", progress=False
    )


def at_step(made: Learner, n: int, act: Callable[[], object]) -> Learner:
    """The learner, which does something as it takes its n-th step."""
    step, count = made._step, iter(range(10**9))

    def acting(x: Tensor, y: Tensor) -> dict[str, Tensor]:
        if next(count) == n:
            act()
        return step(x, y)

    made._step = acting
    return made


def boom() -> None:
    raise Boom


def interrupt() -> None:
    os.kill(os.getpid(), signal.SIGINT)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """The folder of an uninterrupted run, made once for each choice of learner and settings."""
    made: dict[str, Path] = {}

    def folder(name: str, **settings: Any) -> Path:
        key = json.dumps([name, settings])
        if key not in made:
            made[key] = tmp_path_factory.mktemp("whole") / "run"
            trained(name, made[key], **settings)
        return made[key]

    return folder


def assert_same_bytes(folder: Path, expected: Path) -> None:
    """The accuracy matrix, the logged steps, and every tensor of the learner after every task."""
    run, other = Run.open(folder), Run.open(expected)
    assert (run.status, run.T) == (other.status, other.T) == ("finished", run.T)
    assert run.accuracy.tobytes() == other.accuracy.tobytes()
    assert (folder / "events.jsonl").read_bytes() == (expected / "events.jsonl").read_bytes()
    for kind in ("series", "anytime"):
        mine, others = vars(run)[kind], vars(other)[kind]
        assert {n: v.tobytes() for n, v in mine.items()} == {n: v.tobytes() for n, v in others.items()}
    states = sorted(p.name for p in (expected / "states").iterdir())
    assert sorted(p.name for p in (folder / "states").iterdir() if not p.name.startswith(".")) == states
    last, _ = read_tensors(folder / "states" / states[-1])
    wanted, _ = read_tensors(expected / "states" / states[-1])
    assert set(last) == set(wanted)
    assert [name for name in wanted if name not in TIMES and last[name].tobytes() != wanted[name].tobytes()] == []
    assert not list(folder.rglob("*.part"))


# Accidents and Ctrl-C


@every_method
@pytest.mark.parametrize("n", [0, 1, 4, 5, 6, 11, 12, 13, 17])
def test_after_an_accident(tmp_path: Path, whole: Callable[..., Path], name: str, n: int) -> None:
    with pytest.raises(Boom):
        trained(name, tmp_path / "run", made=at_step(learner(name), n, boom))
    assert Run.open(tmp_path / "run").status == "interrupted"
    resumed(name, tmp_path / "run")
    assert_same_bytes(tmp_path / "run", whole(name))


@every_method
def test_after_accident_upon_accident(tmp_path: Path, whole: Callable[..., Path], name: str) -> None:
    with pytest.raises(Boom):
        trained(name, tmp_path / "run", made=at_step(learner(name), 3, boom))
    for n in (0, 4, 2):
        with pytest.raises(Boom):
            resumed(name, tmp_path / "run", made=at_step(learner(name), n, boom))
    resumed(name, tmp_path / "run")
    assert_same_bytes(tmp_path / "run", whole(name))


@every_method
@pytest.mark.parametrize("n", [0, 2, 5, 6, 10])
def test_after_ctrl_c(tmp_path: Path, whole: Callable[..., Path], name: str, n: int) -> None:
    """The step under way is finished, and the next that is taken is the one after it."""
    before = signal.getsignal(signal.SIGINT)
    where = rf"task {n // 6} \(t{n // 6}\), step {n % 6}"
    with pytest.warns(RuntimeWarning, match=rf"interrupted after {where}; go on with resume\("):
        run = trained(name, tmp_path / "run", made=at_step(learner(name), n, interrupt), checkpoint_every=None)
    assert signal.getsignal(signal.SIGINT) is before
    assert run.status == Run.open(tmp_path / "run").status == "interrupted"
    assert len(run.curves["loss"]) == n + 1
    taken: list[None] = []
    again = learner(name)
    for i in range(18):
        again = at_step(again, i, lambda: taken.append(None))
    resumed(name, tmp_path / "run", made=again)
    assert len(taken) == 18 - (n + 1)
    assert_same_bytes(tmp_path / "run", whole(name))


def test_ctrl_c_in_the_very_last_step_is_too_late(tmp_path: Path) -> None:
    run = trained("Finetune", tmp_path / "run", made=at_step(learner("Finetune"), 17, interrupt))
    assert run.status == "finished"


def test_a_second_ctrl_c_stops_at_once(tmp_path: Path, whole: Callable[..., Path]) -> None:
    def twice() -> None:
        interrupt()
        interrupt()

    with pytest.raises(KeyboardInterrupt):
        trained("Finetune", tmp_path / "run", made=at_step(learner("Finetune"), 9, twice))
    assert Run.open(tmp_path / "run").status == "interrupted"
    resumed("Finetune", tmp_path / "run")
    assert_same_bytes(tmp_path / "run", whole("Finetune"))


def test_without_a_folder_ctrl_c_says_that_there_is_nothing_to_go_on_from() -> None:
    with pytest.warns(RuntimeWarning, match="it has no folder to go on from: give `out=`"):
        run = train(at_step(learner("Finetune"), 7, interrupt), tiny.sequence(3), **mortal.SETTINGS)
    assert (run.status, run.num_tasks, run.T) == ("interrupted", 1, 3)


def test_training_works_outside_the_main_thread(whole: Callable[..., Path]) -> None:
    """Where Python delivers no signals."""
    runs: list[Run] = []
    work = partial(train, learner("Finetune"), tiny.sequence(3), **mortal.SETTINGS)
    thread = threading.Thread(target=lambda: runs.append(work()))
    thread.start()
    thread.join()
    assert runs[0].accuracy.tobytes() == Run.open(whole("Finetune")).accuracy.tobytes()


# Sudden death


def die(*deaths: dict[str, Any]) -> None:
    """Runs and their deaths, in other processes."""
    paths = os.pathsep.join(str(Path(__file__).parents[up]) for up in (1, 2))
    env = os.environ | {"PYTHONPATH": paths, "OMP_NUM_THREADS": "1"}
    subprocess.run([sys.executable, mortal.__file__, json.dumps(deaths)], env=env, check=True, timeout=600)


def assert_goes_on(name: str, out: Path, expected: Path, settings: dict[str, Any]) -> bool:
    """Resumes a run found dead; begins it again where it died before its first state. Returns whether it had one."""
    begun = (out / "states" / "000.safetensors").exists()
    if not out.exists() or not begun:
        with pytest.raises(RunError, match=r"no run at|no saved state"):
            resumed(name, out)
        trained(name, out, overwrite=True, **settings)
    else:
        resumed(name, out)
    assert_same_bytes(out, expected)
    return begun


def assert_survives_kills(whole: Callable[..., Path], folder: Path, moments: dict[str, list[float]]) -> None:
    every = [(name, at) for name, times in moments.items() for at in times]
    deaths = [{"name": name, "out": str(folder / f"{name}-{at}"), "at": at} for name, at in every]
    die(*deaths)
    epochs = {"epochs": mortal.LONG["epochs"]}
    begun = [assert_goes_on(d["name"], Path(d["out"]), whole(d["name"], **epochs), epochs) for d in deaths]
    assert any(begun)


@needs_fork
def test_after_sigkill(tmp_path: Path, whole: Callable[..., Path]) -> None:
    """At a random moment of each learner's run, in the fraction of its time."""
    moments = {name: [random.Random(name).uniform(0.2, 0.9)] for name in learners.METHODS}
    assert_survives_kills(whole, tmp_path, moments)


@needs_fork
@pytest.mark.slow
@every_method
def test_after_sigkill_at_twenty_moments(tmp_path: Path, whole: Callable[..., Path], name: str) -> None:
    moments = [random.Random(f"{name} {i}").uniform(0.0, 1.0) for i in range(20)]
    assert_survives_kills(whole, tmp_path, {name: moments})


def assert_survives_writes(whole: Callable[..., Path], folder: Path, name: str, writes: dict[str, list[int]]) -> None:
    every = [(how, n) for how, ns in writes.items() for n in ns]
    deaths = [{"name": name, "out": str(folder / f"{how}-{n}"), "write": n, "how": how} for how, n in every]
    die(*deaths)
    for death in deaths:
        assert_goes_on(name, Path(death["out"]), whole(name), {})


@needs_fork
def test_after_death_in_a_write(tmp_path: Path, whole: Callable[..., Path]) -> None:
    """Before and after a file is put in place, and with a file torn: at the first writes and some later ones."""
    writes = {"before": [0, 1, 2, 3, 9, 11], "after": [0, 2, 10], "torn": [0, 1, 2, 3, 12, 13, 15]}
    assert_survives_writes(whole, tmp_path, "HyperNet", writes)


@needs_fork
@pytest.mark.slow
@every_method
def test_after_death_in_any_write(tmp_path: Path, whole: Callable[..., Path], name: str) -> None:
    """Three saves a task, one before all and the end: 32 files put in place, 43 written."""
    assert_survives_writes(whole, tmp_path, name, {"before": [*range(33)], "after": [*range(33)], "torn": [*range(44)]})


# Further tasks


@every_method
def test_a_finished_run_goes_on_with_a_further_task(tmp_path: Path, whole: Callable[..., Path], name: str) -> None:
    """As if the task had been there from the start."""
    trained(name, tmp_path / "run", sequence=tiny.sequence(2))
    run = resumed(name, tmp_path / "run")
    assert run.T == len(run.config["sequence"]["tasks"]) == 3
    assert_same_bytes(tmp_path / "run", whole(name))


def test_an_interrupted_run_goes_on_with_a_further_task(tmp_path: Path, whole: Callable[..., Path]) -> None:
    with pytest.raises(Boom):
        trained("HyperNet", tmp_path / "run", made=at_step(learner("HyperNet"), 9, boom), sequence=tiny.sequence(2))
    resumed("HyperNet", tmp_path / "run")
    assert_same_bytes(tmp_path / "run", whole("HyperNet"))


@pytest.mark.parametrize("n", [0, 1, 3, 5])
def test_an_accident_in_the_further_task(tmp_path: Path, whole: Callable[..., Path], n: int) -> None:
    """Also before its first state is saved, when the record is ahead of the states."""
    trained("HyperNet", tmp_path / "run", sequence=tiny.sequence(2))
    with pytest.raises(Boom):
        resumed("HyperNet", tmp_path / "run", made=at_step(learner("HyperNet"), n, boom))
    resumed("HyperNet", tmp_path / "run")
    assert_same_bytes(tmp_path / "run", whole("HyperNet"))


def test_further_tasks_one_by_one(tmp_path: Path, whole: Callable[..., Path]) -> None:
    settings = {"eval_every": 4}
    trained("HyperNet", tmp_path / "run", sequence=tiny.sequence(1), **settings)
    for count in (2, 3):
        resumed("HyperNet", tmp_path / "run", sequence=tiny.sequence(count))
    other = whole("HyperNet", **settings)
    run, expected = Run.open(tmp_path / "run"), Run.open(other)
    assert run.accuracy.tobytes() == expected.accuracy.tobytes()
    assert np.array_equal(run.anytime["accuracy"], expected.anytime["accuracy"], equal_nan=True)
    assert np.array_equal(run.series["embeddings"], expected.series["embeddings"], equal_nan=True)


def test_without_snapshots_the_past_of_a_further_task_is_unknown(tmp_path: Path, whole: Callable[..., Path]) -> None:
    trained("Finetune", tmp_path / "run", sequence=tiny.sequence(2), snapshots=False)
    with pytest.warns(RuntimeWarning, match=r"the states after \[0, 1\] tasks were not kept"):
        run = resumed("Finetune", tmp_path / "run")
    full = Run.open(whole("Finetune"))
    unknown = np.isnan(run.accuracy)
    assert unknown.tolist() == [[False, False, True], [False, False, True], [False] * 3, [False] * 3]
    assert np.array_equal(run.accuracy[~unknown], full.accuracy[~unknown])


def test_classes_not_seen_before_are_units_that_the_network_may_hold_in_reserve(tmp_path: Path) -> None:
    """Class-incremental: a further task brings new classes, and so needs a network with room for them."""
    make = partial(tiny.learner, "Finetune", 6)
    two, three = (tiny.sequence(n, scenario="class") for n in (2, 3))
    train(make(), three, out=tmp_path / "whole", **mortal.SETTINGS)
    train(make(), two, out=tmp_path / "run", **mortal.SETTINGS)
    run = resume(tmp_path / "run", learner=make(), sequence=three, device="cpu", progress=False)
    assert np.array_equal(run.accuracy[-1], Run.open(tmp_path / "whole").accuracy[-1])


# By name, from the record alone


def test_what_was_built_by_name_is_rebuilt_by_name(tmp_path: Path) -> None:
    def made(count: int) -> tuple[Learner, TaskSequence]:
        digits = sequences.split_digits()[:count].as_scenario("class")
        return HyperNet(networks.mlp(digits.input_shape, (8,), 10), embedding_dim=4, hidden=(8, 4)), digits

    settings = mortal.SETTINGS | {"batch_size": 64}
    first, digits = made(3)
    train(first, digits, out=tmp_path / "whole", **settings)
    with pytest.raises(Boom):
        train(at_step(made(3)[0], 13, boom), digits, out=tmp_path / "run", **settings)
    resume(tmp_path / "run", device="cpu", progress=False)
    assert_same_bytes(tmp_path / "run", tmp_path / "whole")
    again = restore(tmp_path / "run", device="cpu")
    assert evaluate(again, digits).tobytes() == Run.open(tmp_path / "whole").accuracy[3].tobytes()


def test_restore_goes_back_in_time(whole: Callable[..., Path]) -> None:
    run, sequence = Run.open(whole("HyperNet")), tiny.sequence(3)
    for tasks in (0, 1, 2, 3, None):
        back = restore(run, tasks=tasks, learner=learner("HyperNet"), device="cpu")
        assert back.num_tasks == (3 if tasks is None else tasks)
        assert evaluate(back, sequence).tobytes() == run.accuracy[back.num_tasks].tobytes()
    with pytest.raises(RunError, match=r"004.safetensors is missing|no saved state"):
        restore(run, tasks=4, learner=learner("HyperNet"), device="cpu")
    with pytest.raises(ValueError, match="has no folder"):
        restore(Run(np.zeros((2, 1))), learner=learner("HyperNet"))


# What is refused


def test_a_finished_run_is_returned_as_it_is(whole: Callable[..., Path]) -> None:
    before = {p: p.read_bytes() for p in whole("Finetune").rglob("*") if p.is_file()}
    run = resume(whole("Finetune"))
    assert run.status == "finished"
    assert {p: p.read_bytes() for p in whole("Finetune").rglob("*") if p.is_file()} == before


@pytest.fixture
def broken_off(tmp_path: Path) -> Path:
    with pytest.raises(Boom):
        trained("Finetune", tmp_path / "run", made=at_step(learner("Finetune"), 9, boom))
    return tmp_path / "run"


def renamed(sequence: TaskSequence) -> TaskSequence:
    return TaskSequence([Task(f"{task.name}x", task.train, task.test, task.validation) for task in sequence])


@pytest.mark.parametrize(
    ("sequence", "message"),
    [
        (None, "the sequence 'tiny' holds data of your own.*pass it again"),
        (tiny.sequence(3).reorder([1, 0, 2]), "name was 't0' and is 't1'. Pass the run's own tasks, in their order"),
        (tiny.sequence(2), "number of tasks was 3 and is 2"),
        (tiny.sequence(3, n=20), "task 0's train was 22 and is 20"),
        (tiny.sequence(3, scenario="domain"), "scenario was 'task' and is 'domain'"),
        (renamed(tiny.sequence(3)), "name was 't0' and is 't0x'"),
        (tiny.sequence(3, noise=0.31), "task 0's data"),
    ],
    ids=["none", "order", "shorter", "size", "scenario", "names", "data"],
)
def test_another_sequence_is_refused(broken_off: Path, sequence: TaskSequence | None, message: str) -> None:
    before = {p: p.read_bytes() for p in broken_off.rglob("*") if p.is_file()}
    with pytest.raises(ValueError, match=message):
        resume(broken_off, learner=learner("Finetune"), sequence=sequence, device="cpu", progress=False)
    assert {p: p.read_bytes() for p in broken_off.rglob("*") if p.is_file()} == before


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (lambda: None, "the run's network was not built by a function of `networks`.*pass a new Finetune"),
        (lambda: learner("Joint"), "the learner differs from the run's: it was .*Finetune.* and is .*Joint"),
        (lambda: tiny.learner("Finetune", lr=0.5), r"differs from the run's.*'lr': 0.5"),
        (lambda: tiny.learner("Finetune", 5, batch_norm=True, dropout=True), "has shape .* of the saved one"),
    ],
    ids=["none", "method", "hyper-parameters", "network"],
)
def test_another_learner_is_refused(broken_off: Path, made: Callable[[], Learner | None], message: str) -> None:
    before = {p: p.read_bytes() for p in broken_off.rglob("*") if p.is_file()}
    with pytest.raises(ValueError, match=message):
        resume(broken_off, learner=made(), sequence=tiny.sequence(3), device="cpu", progress=False)
    assert {p: p.read_bytes() for p in broken_off.rglob("*") if p.is_file()} == before


def test_a_missing_or_emptied_folder_is_said(tmp_path: Path, broken_off: Path) -> None:
    with pytest.raises(RunError, match=r"no run at .*: there is no such folder"):
        resume(tmp_path / "elsewhere")
    for file in (broken_off / "states").iterdir():
        file.unlink()
    (broken_off / "checkpoint.safetensors").unlink()
    with pytest.raises(RunError, match="holds no saved state to go on from; train again with overwrite=True"):
        resumed("Finetune", broken_off)


def test_events_shorter_than_the_state_says_are_refused(broken_off: Path) -> None:
    events = broken_off / "events.jsonl"
    events.write_bytes(events.read_bytes()[:40])
    with pytest.raises(RunError, match=r"events.jsonl is shorter than the saved state says \(40 of \d+ bytes\)"):
        resumed("Finetune", broken_off)


def test_going_on_elsewhere_is_said(broken_off: Path) -> None:
    head = json.loads((broken_off / "run.json").read_text())
    head["environment"]["torch"] = "1.0"
    (broken_off / "run.json").write_text(json.dumps(head))
    with pytest.warns(RuntimeWarning, match=rf"elsewhere than it began \(torch 1.0 → {torch.__version__[:3]}"):
        resumed("Finetune", broken_off)


def test_nothing_a_learner_learned_is_lost_by_an_accident(broken_off: Path) -> None:
    run = Run.open(broken_off)
    assert run.num_tasks == 1
    assert Separate.__name__ not in repr(run)
    assert not np.isnan(run.accuracy[1]).any()
    assert len(run.curves["loss"]) == 9
