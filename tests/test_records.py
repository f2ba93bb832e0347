"""A Run comes back as it was written, or one clear error says why not; opening one runs no code."""

import ast
import errno
import json
import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.numpy import save as to_safetensors

import cltoolkit.records as records
from cltoolkit.files import write_atomically
from cltoolkit.learners import HyperNet
from cltoolkit.records import Run, RunError
from cltoolkit.tasks import Task, TaskSequence
from cltoolkit.training import resume, train
from cltoolkit.training._checkpoint import Checkpoint, latest

FILES = ["run.json", "arrays.safetensors", "events.jsonl"]
STATE = "states/003.safetensors"


def trained(**changes: Any) -> Run:
    learner = HyperNet(tiny.net(batch_norm=True), embedding_dim=4, hidden=(8,))
    plain = {"epochs": 2, "batch_size": 8, "eval_every": 3, "checkpoint_every": 2, "device": "cpu", "progress": False}
    return train(learner, changes.pop("sequence", tiny.sequence(3)), **plain | changes)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run's folder; not to be changed."""
    path = tmp_path_factory.mktemp("records") / "run"
    trained(out=path)
    return path


def copy(folder: Path, to: Path, **changed: bytes | None) -> Path:
    """The folder again, with some files changed; None for a file that is missing."""
    for file in folder.rglob("*"):
        name = str(file.relative_to(folder))
        data = changed.get(name, file.read_bytes() if file.is_file() else None)
        if data is not None:
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            (to / name).write_bytes(data)
    return to


def assert_alike(a: Run, b: Run) -> None:
    for name in ("accuracy", "seconds", "memory"):
        assert vars(a)[name].tobytes() == vars(b)[name].tobytes()
    for name in ("curves", "anytime", "series"):
        assert set(vars(a)[name]) == set(vars(b)[name])
        for key, values in vars(a)[name].items():
            assert np.array_equal(values, vars(b)[name][key], equal_nan=True), (name, key)
    assert (a.config, a.environment, a.status) == (b.config, b.environment, b.status)


# Round trips


def test_a_trained_run_comes_back(tmp_path: Path, folder: Path) -> None:
    run = Run.open(folder)
    assert_alike(Run.open(run.save(tmp_path / "copy")), Run.open(folder))
    assert run.path == tmp_path / "copy"


NUMBERS = st.floats(allow_nan=True, allow_infinity=True)
NAMES = st.text(max_size=20).filter(lambda name: name not in ("task", "epoch", "step"))


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), count=st.integers(1, 4))
def test_any_run_comes_back(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, count: int) -> None:
    """With any names, and with any numbers: NaN, infinities, the smallest and the largest."""
    numbers = data.draw(st.lists(NUMBERS, min_size=count * (count + 1), max_size=count * (count + 1)))
    losses = data.draw(st.lists(NUMBERS, max_size=5))
    name = data.draw(NAMES)
    run = Run(
        accuracy=np.array(numbers).reshape(count + 1, count),
        config={"learner": {"name": name}, "seed": data.draw(st.integers()), "note": data.draw(st.text())},
        environment={data.draw(st.text()): data.draw(st.text())},
        seconds=np.arange(count) / 3,
        status="interrupted",
        curves={"task": np.zeros(len(losses), dtype=np.int64), name: np.array(losses)} if losses else {},
        series={"scores/of it": np.arange(count**2, dtype=np.float32)},
    )
    opened = Run.open(run.save(tmp_path_factory.mktemp("any")))
    if name not in opened.curves and name in run.curves:
        assert np.isnan(run.curves.pop(name)).all()  # a loss that is never a number leaves no trace
    assert_alike(opened, run)
    repr(opened)


@pytest.mark.parametrize(
    "name", ['"quoted"', "a\nb", "<script>alert(1)</script>", "täsk №7 🦊", "\u2028", "a\\b/c", "None"]
)
def test_names_survive(tmp_path: Path, name: str) -> None:
    task = tiny.task(0)
    odd = TaskSequence([Task(name, task.train, task.test, classes=(name, "other"))], name=name)
    run = trained(sequence=odd, out=tmp_path / "run")
    opened = Run.open(tmp_path / "run")
    assert opened.task_names == run.task_names == [name]
    assert opened.config["sequence"]["tasks"][0]["classes"] == [name, "other"]
    assert opened.config["sequence"]["name"] == name


def test_saving_over_another_run_leaves_nothing_of_it(tmp_path: Path, folder: Path) -> None:
    Run.open(folder).save(tmp_path / "run")
    other = Run(np.array([[0.5], [1.0]]), curves={"task": np.array([0]), "loss": np.array([0.25])})
    other.save(tmp_path / "run")
    assert Run.open(tmp_path / "run").curves["loss"].tolist() == [0.25]
    bare = Run(np.array([[0.5], [1.0]]))
    bare.save(tmp_path / "run")
    assert Run.open(tmp_path / "run").curves == {}


def test_losses_that_are_no_numbers_survive(tmp_path: Path) -> None:
    losses = np.array([1.0, np.inf, -np.inf, np.nan, 0.1 + 0.2])
    steps = {name: np.arange(5) for name in ("task", "epoch", "step")}
    run = Run(np.full((2, 1), np.nan), curves=steps | {"loss": losses, "other": losses[::-1].copy()})
    assert_alike(Run.open(run.save(tmp_path)), run)


def test_the_last_line_of_the_events_may_be_cut(tmp_path: Path, folder: Path) -> None:
    events = (folder / "events.jsonl").read_bytes()
    whole = Run.open(folder).curves["loss"]
    for cut in (1, 5, len(events.splitlines()[-1])):
        path = copy(folder, tmp_path / str(cut), **{"events.jsonl": events[:-cut]})
        assert np.array_equal(Run.open(path).curves["loss"], whole[:-1])


def test_a_run_without_events_has_no_curves(tmp_path: Path, folder: Path) -> None:
    assert Run.open(copy(folder, tmp_path / "run", **{"events.jsonl": None})).curves == {}


# What is no run


def head(folder: Path, **changes: Any) -> bytes:
    values = json.loads((folder / "run.json").read_text()) | changes
    return json.dumps({name: value for name, value in values.items() if value is not ...}).encode()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": "their-run"}, "was not written by cltoolkit: expected format 'cltoolkit-run'"),
        ({"format": ...}, "was not written by cltoolkit"),
        ({"version": 2}, "has version 2; this cltoolkit reads up to 1: install a newer one"),
        ({"version": "1"}, "has version 1"),
        ({"config": []}, r"is damaged: \['config'\] are missing or of the wrong kind; take it from a copy"),
        ({"status": ..., "environment": 3}, r"\['status', 'environment'\]"),
        ({"status": "finishee"}, "is damaged: status 'finishee'"),
        ({"config": {"learner": "HyperNet"}}, r"is damaged: config\.learner"),
        ({"config": {"seed": "x", "sequence": {"tasks": [1]}}}, r"config\.seed, config\.sequence"),
    ],
    ids=str,
)
def test_a_foreign_newer_or_broken_head_is_said(
    tmp_path: Path, folder: Path, changes: dict[str, Any], message: str
) -> None:
    path = copy(folder, tmp_path / "run", **{"run.json": head(folder, **changes)})
    with pytest.raises(RunError, match=message):
        Run.open(path)


@pytest.mark.parametrize(
    ("file", "data", "message"),
    [
        ("run.json", None, r"run\.json is missing"),
        ("run.json", b"", r"run\.json is damaged or truncated"),
        ("run.json", b"[1, 2]", "was not written by cltoolkit"),
        ("run.json", b"[" * 100_000, r"run\.json is damaged"),
        ("run.json", b"9" * 10_000, r"run\.json is damaged"),
        ("run.json", b"\xff\xfe", r"run\.json is damaged"),
        ("arrays.safetensors", None, r"arrays\.safetensors is missing"),
        ("arrays.safetensors", b"", r"arrays\.safetensors is damaged"),
        ("arrays.safetensors", b"\x80\x04\x95pickle", r"arrays\.safetensors is damaged"),
        ("events.jsonl", b"1\n", r"events\.jsonl is damaged"),
        ("events.jsonl", b'{"task": 0}\n{"task": "x"}\n', r"events\.jsonl is damaged"),
        ("events.jsonl", b'{"task": 0}\n{"loss": 1.0}\n', r"events\.jsonl is damaged"),
        ("events.jsonl", b'{"task": 0, "loss": [1]}\n', r"events\.jsonl is damaged"),
        ("events.jsonl", b'{"task"\n{"task": 1}\n', r"events\.jsonl is damaged"),
    ],
)
def test_a_missing_or_broken_file_is_said(
    tmp_path: Path, folder: Path, file: str, data: bytes | None, message: str
) -> None:
    with pytest.raises(RunError, match=message):
        Run.open(copy(folder, tmp_path / "run", **{file: data}))


@pytest.mark.parametrize(
    ("arrays", "name"),
    [
        ({"accuracy": np.zeros((3, 3))}, "accuracy"),
        ({"accuracy": np.zeros(4)}, "accuracy"),
        ({"accuracy": np.zeros((1, 0))}, "accuracy"),
        ({"accuracy": np.zeros((4, 3), dtype=bool)}, "accuracy"),
        ({"accuracy": None}, "accuracy"),
        ({"seconds": np.zeros(7)}, "seconds"),
        ({"memory": np.zeros((3, 3))}, "memory"),
        ({"anytime/task": np.zeros(2)}, "anytime"),
        ({"anytime/task": np.array([0, 2, 1])}, "anytime"),
        ({"anytime/task": np.array([0, 1, 3])}, "anytime"),
        ({"anytime/step": None}, "anytime"),
        ({"anytime/accuracy": np.zeros((2, 9))}, "anytime"),
        ({"series/embeddings": np.zeros((3, 4))}, "embeddings"),
    ],
    ids=str,
)
def test_arrays_of_another_shape_are_said(tmp_path: Path, folder: Path, arrays: dict[str, Any], name: str) -> None:
    values = {key: v for key, v in (Run.open(folder).arrays() | arrays).items() if v is not None}
    path = copy(folder, tmp_path / "run", **{"arrays.safetensors": to_safetensors(values)})
    with pytest.raises(RunError, match=f"is damaged: {name} is not as a run has it"):
        Run.open(path)


def test_no_folder_and_no_file_is_said(tmp_path: Path, folder: Path) -> None:
    with pytest.raises(RunError, match=r"no run at .*: there is no such folder"):
        Run.open(tmp_path / "nowhere")
    with pytest.raises(RunError, match=r"no run at .*: there is no such folder"):
        Run.open(folder / "run.json")
    with pytest.raises(RunError, match=r"no run at .*: run\.json is missing"):
        Run.open(tmp_path)
    (tmp_path / "run.json").mkdir()
    with pytest.raises(RunError, match=r"run\.json cannot be read \(.*[Dd]irectory"):
        Run.open(tmp_path)


@st.composite
def damages(draw: st.DrawFn) -> Callable[[bytes], bytes]:
    """Ways to break a file: bits flipped, its end cut off, a part replaced or doubled."""
    kind = draw(st.sampled_from(["flip", "cut", "replace", "double"]))
    where = draw(st.lists(st.floats(0, 1, exclude_max=True), min_size=1, max_size=4))
    junk = draw(st.binary(min_size=1, max_size=12))

    def broken(data: bytes) -> bytes:
        changed = bytearray(data)
        first = int(where[0] * len(data))
        if kind == "cut":
            return data[:first]
        if kind == "double":
            return data[:first] + data[first // 2 :]
        if kind == "replace":
            return data[:first] + junk + data[first + len(junk) :]
        for place in where:
            changed[int(place * len(data))] ^= 1 << junk[0] % 8
        return bytes(changed)

    return broken


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(file=st.sampled_from(FILES), damage=damages())
def test_a_damaged_run_opens_or_says_so(
    tmp_path_factory: pytest.TempPathFactory, folder: Path, file: str, damage: Callable[[bytes], bytes]
) -> None:
    """And one that opens can be looked at."""
    path = copy(folder, tmp_path_factory.mktemp("d"), **{file: damage((folder / file).read_bytes()), STATE: None})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # absurd numbers may overflow; what counts is that they are shown
        run = unless_refused(lambda: Run.open(path), path)
        if run is not None:
            assert repr(run) and len(run.metrics()) == 1  # noqa: PT018
            assert run.num_tasks <= run.T
            assert isinstance(run.seed, int)
            assert run.task_names


def unless_refused(work: Callable[[], Run | Checkpoint], path: Path) -> Any:
    """What `work` gives; None if it refuses in the one way allowed."""
    try:
        return work()
    except RunError as error:
        if str(path) in str(error):
            return None
        raise


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(damage=damages())
def test_a_damaged_state_is_read_or_says_so(
    tmp_path_factory: pytest.TempPathFactory, folder: Path, damage: Callable[[bytes], bytes]
) -> None:
    path = copy(folder, tmp_path_factory.mktemp("d"), **{STATE: damage((folder / STATE).read_bytes())})
    checkpoint = unless_refused(lambda: latest(path), path)
    assert checkpoint is None or checkpoint.tensors


def test_a_state_of_another_kind_or_a_newer_one_is_said(tmp_path: Path, folder: Path) -> None:
    tensors = {"learner/x": np.zeros(1)}
    for notes, message in [
        ({}, "is not a saved state of cltoolkit"),
        ({"format": "cltoolkit-state", "version": "²"}, "is not a saved state"),
        ({"format": "cltoolkit-state", "version": "2", "notes": "{}"}, "has version 2; this cltoolkit reads"),
        ({"format": "cltoolkit-state", "version": "1", "notes": "{}"}, r"003\.safetensors is damaged"),
        ({"format": "cltoolkit-state", "version": "1"}, r"003\.safetensors is damaged"),
    ]:
        path = copy(folder, tmp_path / str(len(str(notes))), **{STATE: to_safetensors(tensors, notes)})
        with pytest.raises(RunError, match=message):
            latest(path)


def test_a_record_made_by_hand_can_be_shown_but_not_continued(tmp_path: Path) -> None:
    Run(np.array([[0.5], [1.0]]), status="interrupted").save(tmp_path)
    assert "acc 1.000" in repr(Run.open(tmp_path))
    with pytest.raises(RunError, match="it can be shown"):
        resume(tmp_path)


def test_the_room_has_nothing_that_could_run_code() -> None:
    tree = ast.parse(Path(records.__file__).read_text())
    imported = {alias.name.partition(".")[0] for n in ast.walk(tree) if isinstance(n, ast.Import) for alias in n.names}
    called = {n.func.id for n in ast.walk(tree) if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)}
    assert not imported & {"pickle", "marshal", "shelve", "joblib", "importlib", "torch"}
    assert not called & {"eval", "exec", "compile", "__import__"}


# A file is old or new, never half


def test_a_write_that_fails_leaves_the_old_file_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    write_atomically(path, b"old")
    for name in ("fsync", "replace"):
        with monkeypatch.context() as broken:
            broken.setattr(os if name == "fsync" else Path, name, full)
            with pytest.raises(OSError, match="No space left"):
                write_atomically(path, b"new and longer")
        assert path.read_bytes() == b"old"
        assert [p.name for p in tmp_path.iterdir()] == ["file"]
    write_atomically(path, b"new")
    assert path.read_bytes() == b"new"


def full(*args: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """The system refuses files larger than this, as it refuses all on a full disk."""
    resource = pytest.importorskip("resource", reason="this system has no limits")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("snapshots", [True, False])
def test_on_a_full_disk_training_goes_on_and_says_so_once(tmp_path: Path, snapshots: bool) -> None:
    """The run that is returned is whole; on the disk is an older state, whole too, from which one can go on later."""
    whole = trained()
    learner = HyperNet(tiny.net(batch_norm=True), embedding_dim=4, hidden=(8,))
    step, left = learner._step, iter(range(1000))
    limit = largest_file(200)

    def running_full(x: Any, y: Any) -> dict[str, Any]:
        if next(left) == 8:
            limit.__enter__()
        return step(x, y)

    learner._step = running_full
    plain = {"epochs": 2, "batch_size": 8, "eval_every": 3, "checkpoint_every": 2, "device": "cpu", "progress": False}
    try:
        with pytest.warns(RuntimeWarning, match=r"the run could not be saved .*; training goes on") as seen:
            run = train(learner, tiny.sequence(3), out=tmp_path / "run", snapshots=snapshots, **plain)
    finally:
        limit.__exit__(None, None, None)
    assert len(seen) == 1
    assert run.status == "finished"
    assert run.accuracy.tobytes() == whole.accuracy.tobytes()
    assert np.array_equal(run.curves["loss"], whole.curves["loss"])
    left_on_disk = Run.open(tmp_path / "run")
    assert left_on_disk.status == "training"
    assert left_on_disk.num_tasks == 1
    again = HyperNet(tiny.net(batch_norm=True), embedding_dim=4, hidden=(8,))
    resumed = resume(tmp_path / "run", learner=again, sequence=tiny.sequence(3), device="cpu", progress=False)
    assert resumed.accuracy.tobytes() == whole.accuracy.tobytes()
    assert_alike(Run.open(run.save(tmp_path / "elsewhere")), run)


def test_a_disk_that_has_room_again_is_used_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And the events that could not be written are written then, in order."""
    fsync, count = os.fsync, iter(range(10_000))
    monkeypatch.setattr(os, "fsync", lambda file: full() if 6 <= next(count) < 12 else fsync(file))
    with pytest.warns(RuntimeWarning, match="could not be saved") as seen:
        run = trained(out=tmp_path / "run")
    assert len(seen) == 1
    assert_alike(Run.open(tmp_path / "run"), run)
    assert run.status == "finished"
