"""The record of a training run, which every table and figure reads: a folder without pickle, safe to open."""

import json
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save as to_safetensors

from . import metrics
from .files import write_atomically

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["FORMAT", "VERSION", "Run", "RunError", "read_tensors"]

FORMAT = "cltoolkit-run"
VERSION = 1
STATES = ("training", "interrupted", "finished")
Arrays = dict[str, np.ndarray]


class RunError(ValueError):
    """A folder that should hold a Run does not, or not one that can be read."""


@dataclass
class Run:
    """What training left behind.

    Attributes:
        accuracy: `(T + 1, T)`; `accuracy[i, j]` is the test accuracy on task j after i tasks. Row 0 is before any
            training; cells of future tasks are measured with the weights from which the learner would begin them; NaN
            where nothing was measured.
        config: how it was made: "learner", "network", "sequence", "training", "seed".
        environment: versions, device, threads.
        seconds: `(T,)`, training time per task.
        memory: `(T,)`, bytes at the peak: of the device where it is one, of the process otherwise.
        status: "training", "interrupted" or "finished".
        curves: one value per logged step for "task", "epoch", "step" and each named loss; NaN where a step had no
            such loss.
        anytime: "task" `(E,)`, "step" `(E,)`, "accuracy" `(E, T)`: test accuracy while training, where it was asked
            for.
        series: what the method itself kept; "embeddings" `(T, T, d)` holds at [i, j] that of task j after i + 1 tasks.
        path: its folder, if it has one.

    Example:
        >>> run = Run(np.array([[0.5, 0.5], [0.9, 0.5], [0.8, 1.0]]), {"learner": {"name": "Finetune"}, "seed": 0})
        >>> run.T, run.name, float(run.metrics()["bwt"].iloc[0].round(2))
        (2, 'Finetune', -0.1)
    """

    accuracy: np.ndarray
    config: dict[str, Any] = field(default_factory=dict)
    environment: dict[str, Any] = field(default_factory=dict)
    seconds: np.ndarray = field(default_factory=lambda: np.zeros(0))
    memory: np.ndarray = field(default_factory=lambda: np.zeros(0))
    status: str = "training"
    curves: Arrays = field(default_factory=dict)
    anytime: Arrays = field(default_factory=dict)
    series: Arrays = field(default_factory=dict)
    path: Path | None = None

    @property
    def T(self) -> int:
        """The number of tasks."""
        return self.accuracy.shape[1]

    @property
    def name(self) -> str:
        """The learner's name."""
        return str(self.config.get("learner", {}).get("name", "run"))

    @property
    def seed(self) -> int:
        """The seed of everything random in it."""
        return int(self.config.get("seed", 0))

    @property
    def task_names(self) -> list[str]:
        """The tasks' names, in order."""
        tasks = self.config.get("sequence", {}).get("tasks", [])
        return [task["name"] for task in tasks] or [str(t) for t in range(self.T)]

    @property
    def num_tasks(self) -> int:
        """How many tasks are learned: rows of the accuracy matrix that were measured, row 0 aside."""
        return int((~np.isnan(self.accuracy[1:]).all(1)).sum())

    @property
    def embeddings(self) -> list[np.ndarray]:
        """The task embeddings after each task: `embeddings[i]` has shape `(i + 1, d)`."""
        if "embeddings" not in self.series:
            raise RunError(f"{self.name} has no task embeddings; its own series are {sorted(self.series)}")
        return [values[: i + 1] for i, values in enumerate(self.series["embeddings"])]

    def metrics(self, *, single: "Run | None" = None, joint: "Run | None" = None) -> "pd.DataFrame":
        """Every metric of the accuracy matrix, one row.

        Args:
            single: a run of `Separate` on the same sequence, for metrics that need what a task reaches alone.
            joint: a run of `Joint`, for intransigence.
        """
        import pandas as pd

        row = {"learner": self.name, "seed": self.seed} | metrics.table(self, single=single, joint=joint)
        return pd.DataFrame([row | {"seconds": float(np.nansum(self.seconds))}])

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Writes the run into the folder `path`, each file at once or not at all. Returns the folder."""
        folder = Path(path)
        write_atomically(
            folder / "arrays.safetensors", to_safetensors(self.arrays(), {"format": FORMAT, "version": str(VERSION)})
        )
        head = {
            "format": FORMAT,
            "version": VERSION,
            "status": self.status,
            "config": self.config,
            "environment": self.environment,
        }
        write_atomically(folder / "run.json", (json.dumps(head, indent=1) + "\n").encode())
        events = folder / "events.jsonl"
        own = self.path is not None and self.path.resolve() == folder.resolve()  # training appends to its own
        if not own or (self.curves and not events.exists()):
            write_atomically(events, "".join(f"{json.dumps(event)}\n" for event in _events(self.curves)).encode())
        self.path = folder
        return folder

    def arrays(self) -> Arrays:
        """Every array but the step curves, by name."""
        arrays = {"accuracy": self.accuracy, "seconds": self.seconds, "memory": self.memory}
        arrays |= {f"anytime/{name}": value for name, value in self.anytime.items()}
        arrays |= {f"series/{name}": value for name, value in self.series.items()}
        return {name: np.ascontiguousarray(value) for name, value in arrays.items()}

    def restore_arrays(self, arrays: Arrays) -> None:
        """Takes back what `arrays` gave; the run is being trained again."""
        self.accuracy, self.seconds, self.memory = (arrays[name].copy() for name in ("accuracy", "seconds", "memory"))
        self.anytime, self.series = _group(arrays, "anytime/"), _group(arrays, "series/")
        self.status = "training"

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> "Run":
        """Reads the run in the folder `path`.

        Raises:
            RunError: if there is none, or it is damaged, truncated, foreign, or from a newer cltoolkit; nothing is
                changed.
        """
        folder = Path(path)
        head = _read_head(folder)
        arrays, _ = read_tensors(folder / "arrays.safetensors")
        run = cls(
            accuracy=arrays.get("accuracy", np.zeros(0)),
            config=head["config"],
            environment=head["environment"],
            seconds=arrays.get("seconds", np.zeros(0)),
            memory=arrays.get("memory", np.zeros(0)),
            status=head["status"],
            curves=_curves(folder / "events.jsonl"),
            anytime=_group(arrays, "anytime/"),
            series=_group(arrays, "series/"),
            path=folder,
        )
        wrong = [*_wrong_config(run.config), *_wrong_arrays(run)]
        if wrong or run.status not in STATES:
            what = ", ".join(wrong) or f"status {run.status!r}"
            raise RunError(f"the run at {folder} is damaged: {what} is not as a run has it; take it from a copy")
        return run

    def __repr__(self) -> str:
        done = self.num_tasks
        score = f", acc {self.accuracy[done, :done].mean():.3f}" if done > 0 else ""
        where = "" if self.path is None else f", {self.path.name}/"
        return f"Run({self.name}, seed {self.seed}, {done} of {self.T} tasks{score}, {self.status}{where})"


def read_tensors(path: Path) -> tuple[Arrays, dict[str, str]]:
    """The arrays and the notes of a safetensors file.

    Raises:
        RunError: if it is missing, truncated or no such file.
    """
    with readable(path), safe_open(path, "numpy") as file:
        return {name: file.get_tensor(name) for name in file.keys()}, dict(file.metadata() or {})  # noqa: SIM118


def _read_head(folder: Path) -> dict[str, Any]:
    path = folder / "run.json"
    if not folder.is_dir():
        raise RunError(f"no run at {folder}: there is no such folder")
    with readable(path):
        head = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(head, dict) or head.get("format") != FORMAT:
        raise RunError(f"{path} was not written by cltoolkit: expected format {FORMAT!r}")
    if not isinstance(head.get("version"), int) or head["version"] > VERSION:
        raise RunError(
            f"{path} has version {head.get('version')}; this cltoolkit reads up to {VERSION}: install a newer one"
        )
    wanted = {"status": str, "config": dict, "environment": dict}
    wrong = [key for key, kind in wanted.items() if not isinstance(head.get(key), kind)]
    if wrong:
        raise RunError(f"{path} is damaged: {wrong} are missing or of the wrong kind; take it from a copy")
    return head


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Turns every way in which a file can fail to be read into one clear error."""
    try:
        yield
    except FileNotFoundError as error:
        raise RunError(f"no run at {path.parent}: {path.name} is missing") from error
    except OSError as error:
        raise RunError(f"{path} cannot be read ({error})") from error
    except RunError:
        raise
    except (SafetensorError, ValueError, TypeError, LookupError, ArithmeticError, RecursionError, MemoryError) as error:
        raise RunError(f"{path} is damaged or truncated ({error}); take it from a copy, or train again") from error


def _wrong_config(config: dict[str, Any]) -> Iterator[str]:
    """The entries that are there, but not of the kind that is read."""
    learner, sequence, seed = config.get("learner", {}), config.get("sequence", {}), config.get("seed", 0)
    if not isinstance(learner, dict) or not isinstance(learner.get("name", ""), str):
        yield "config.learner"
    if not isinstance(seed, int):
        yield "config.seed"
    tasks = sequence.get("tasks", []) if isinstance(sequence, dict) else None
    if not isinstance(tasks, list) or not all(isinstance(t, dict) and isinstance(t.get("name"), str) for t in tasks):
        yield "config.sequence"


def _wrong_arrays(run: Run) -> Iterator[str]:
    """The arrays whose shape or kind is not that of a run."""
    shape = run.accuracy.shape
    if len(shape) != 2 or shape[0] != shape[1] + 1 or shape[1] == 0 or run.accuracy.dtype.kind not in "fiu":
        yield "accuracy"
        return
    for name, values in (("seconds", run.seconds), ("memory", run.memory)):
        if values.shape not in ((0,), (run.T,)) or values.dtype.kind not in "fiu":
            yield name
    if run.anytime and not _is_anytime(run.anytime, run.T):
        yield "anytime"
    if "embeddings" in run.series and run.series["embeddings"].shape[:-1] != (run.T, run.T):
        yield "embeddings"


def _is_anytime(anytime: Arrays, tasks: int) -> bool:
    """Whether there are one or more evaluations, each of all tasks, in the order of training."""
    task = anytime.get("task", np.zeros(0))
    shapes = {"task": task.shape, "step": task.shape, "accuracy": (*task.shape, tasks)}
    if task.ndim != 1 or not len(task) or {name: values.shape for name, values in anytime.items()} != shapes:
        return False
    return bool(np.isin(task, range(tasks)).all() and (np.diff(task) >= 0).all())


def _group(arrays: Arrays, prefix: str) -> Arrays:
    return {name.removeprefix(prefix): value for name, value in arrays.items() if name.startswith(prefix)}


def _events(curves: Arrays) -> Iterator[dict[str, float | int]]:
    """One record per logged step, without the losses it did not have."""
    whole = {"task", "epoch", "step"}
    for values in zip(*curves.values(), strict=True):
        named = dict(zip(curves, values, strict=True))
        yield {
            name: int(v) if name in whole else float(v)
            for name, v in named.items()
            if name in whole or not math.isnan(v)
        }


def _curves(path: Path) -> Arrays:
    """The step curves of an events file; a last line cut short by a crash is left out."""
    if not path.exists():
        return {}
    with readable(path):
        text = path.read_text(encoding="utf-8")
        lines = text.splitlines() if text.endswith("\n") or not text else text.splitlines()[:-1]
        return as_curves([dict(json.loads(line)) for line in lines])


def as_curves(events: Sequence[Mapping[str, float]]) -> Arrays:
    """Logged steps as one array per name, NaN where a step lacks it."""
    names = list(dict.fromkeys(name for event in events for name in event))
    curves = {name: np.array([event.get(name, math.nan) for event in events], dtype=np.float64) for name in names}
    if any(values.ndim != 1 for values in curves.values()):
        raise ValueError("expected one number per loss and step")
    whole = {name: curves[name] for name in ("task", "epoch", "step") if name in curves}
    if not all(np.isfinite(values).all() for values in whole.values()):
        raise ValueError(f"expected {sorted(whole)} in every logged step")
    return curves | {name: values.astype(np.int64) for name, values in whole.items()}
