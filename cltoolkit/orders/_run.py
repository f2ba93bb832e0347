"""Orders, trained for real."""

import hashlib
import os
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch

from ..learners import Learner
from ..metrics import average_accuracy, learning_accuracy, mean_and_interval
from ..records import Run, RunError
from ..tasks import TaskSequence
from ..training import resume, same_learner, same_sequence, train
from ..transferability import spearman, weighted_kendall
from ._predict import Orders

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["OrderRuns", "run_orders"]

Order = tuple[int, ...]
LONGEST = 80  # characters of an order in a folder's name


@dataclass(frozen=True, eq=False, repr=False)
class OrderRuns:
    """Runs of one method on the same tasks in different orders.

    Attributes:
        runs: by order (a tuple of task numbers) and seed; finished ones.
        names: the tasks, by number.
    """

    runs: Mapping[tuple[Order, int], Run]
    names: tuple[str, ...]

    @property
    def orders(self) -> tuple[Order, ...]:
        """The orders that were trained, as they were asked for."""
        return tuple(dict.fromkeys(order for order, _ in self.runs))

    def to_frame(self) -> "pd.DataFrame":
        """A row for each run: "order", "names", "seed", "final" and "learned".

        "final" is the average accuracy at the end, "learned" the average of each task's accuracy when it was learned.
        """
        import pandas as pd

        rows = [
            {"order": order, "names": self._named(order), "seed": seed}
            | {"final": average_accuracy(run.accuracy), "learned": learning_accuracy(run.accuracy)}
            for (order, seed), run in self.runs.items()
        ]
        return pd.DataFrame(rows, columns=["order", "names", "seed", "final", "learned"])

    def compare(
        self, orders: Orders, *, measure: Literal["learned", "final"] = "learned", level: float = 0.95
    ) -> "pd.DataFrame":
        """What was predicted beside what was measured, the best prediction first.

        Args:
            orders: the prediction.
            measure: "learned", the average accuracy of tasks when they were learned, of which predictions speak; or
                "final", that at the end, in which forgetting counts too.
            level: of Student's t interval over seeds.

        Returns:
            A row for each order: "order", "names", "predicted", "measured" (the mean over seeds), "low", "high" (NaN
            with a single seed) and "seeds". `.attrs` holds "measure", "level", and the rank correlation of prediction
            and measurement, "spearman" and "weighted_kendall" (NaN with fewer than three orders, or if all are equal).

        Raises:
            ValueError: if the prediction is for other tasks, or there are no runs.
        """
        import pandas as pd

        if set(orders.names) != set(self.names):
            raise ValueError(f"expected a prediction for the tasks {list(self.names)}; got {list(orders.names)}")
        if measure not in ("learned", "final"):
            raise ValueError(f"expected measure='learned' or 'final'; got {measure!r}")
        if not self.runs or not 0 < level < 1:
            raise ValueError(f"expected at least one run, and a level between 0 and 1; got {len(self.runs)}, {level}")
        number = [orders.names.index(name) for name in self.names]
        table = self.to_frame()
        rows = []
        for order, own in table.groupby("order", sort=False):
            mean, half = (float(value) for value in mean_and_interval(own[measure].to_numpy(), level=level))
            rows.append(
                {"order": order, "names": self._named(order)}
                | {"predicted": orders.value_of([number[t] for t in order]), "measured": mean}
                | {"low": mean - half, "high": mean + half, "seeds": len(own)}
            )
        frame = pd.DataFrame(rows).sort_values("predicted", ascending=False, kind="stable", ignore_index=True)
        frame.attrs = {"measure": measure, "level": level} | _correlations(
            frame["predicted"].to_numpy(), frame["measured"].to_numpy()
        )
        return frame

    def _named(self, order: Order) -> str:
        return " → ".join(self.names[t] for t in order)

    def __repr__(self) -> str:
        seeds = {seed for _, seed in self.runs}
        return f"OrderRuns({len(self.orders)} orders of {len(self.names)} tasks, seeds {sorted(seeds)})"


def run_orders(
    make_learner: Callable[[], Learner],
    sequence: TaskSequence,
    orders: Iterable[Sequence[int]],
    *,
    seeds: Sequence[int] = (0,),
    out: str | os.PathLike[str] | None = None,
    epochs: int = 20,
    batch_size: int = 32,
    device: torch.device | str | None = None,
    precision: Literal["bf16"] | None = None,
    compile: bool = False,
    snapshots: bool = False,
    progress: bool = True,
) -> OrderRuns:
    """Trains a method on the tasks in each of the orders, with each of the seeds.

    Args:
        make_learner: makes a new learner, the same each time.
        sequence: the tasks.
        orders: task numbers in order, such as `predicted.best(3)["order"]`; a part of the tasks is allowed.
        seeds: of everything random in training.
        out: a folder that will hold that of each run, named by order and seed. Finished ones are opened, interrupted
            ones resumed, so the same call goes on where it was stopped.
        epochs: as all below, see `training.train`.
        batch_size: examples per step, at most.
        device: where to train; a GPU if there is one.
        precision: "bf16" for mixed precision of the target network.
        compile: whether `torch.compile` translates the target network.
        snapshots: whether the state after every task is kept.
        progress: whether a progress bar is shown for each run.

    Returns:
        The runs. After Ctrl-C those that were finished before it.

    Raises:
        ValueError: if an order is none of the tasks, or a folder holds a run made otherwise.

    Example:
        >>> import cltoolkit as cl
        >>> sequence = cl.sequences.related_gaussians(2)
        >>> net = cl.networks.mlp(sequence.input_shape, (8,), 2)
        >>> make = lambda: cl.learners.Finetune(net)
        >>> run_orders(make, sequence, [(0, 1), (1, 0)], epochs=1, progress=False)
        OrderRuns(2 orders of 2 tasks, seeds [0])
    """
    wanted = _wanted(orders, seeds, len(sequence))
    runs: dict[tuple[Order, int], Run] = {}
    for order, seed in wanted:
        tasks, learner = sequence.reorder(order), make_learner()
        folder = None if out is None else Path(out) / _folder(order, seed)
        run = None if folder is None else _open(folder, learner, tasks, seed, epochs, batch_size, precision)
        if run is None:
            run = train(
                learner,
                tasks,
                seed=seed,
                out=folder,
                epochs=epochs,
                batch_size=batch_size,
                device=device,
                precision=precision,
                compile=compile,
                snapshots=snapshots,
                overwrite=True,  # of a run that was stopped before it could save anything
                progress=progress,
            )
        elif run.status != "finished" and folder is not None:
            run = resume(folder, learner=learner, sequence=tasks, device=device, progress=progress)
        if run.status != "finished":
            break
        runs[order, seed] = run
    return OrderRuns(runs, tuple(task.name for task in sequence))


def _wanted(orders: Iterable[Sequence[int]], seeds: Sequence[int], count: int) -> list[tuple[Order, int]]:
    """Every order with every seed, checked before anything is trained."""
    given = [tuple(int(t) for t in order) for order in orders]
    for order in given:
        if not order or len(set(order)) < len(order) or not set(order) <= set(range(count)):
            raise ValueError(f"expected orders of different task numbers from 0 to {count - 1}; got {order}")
    wanted = [(order, int(seed)) for order in dict.fromkeys(given) for seed in dict.fromkeys(seeds)]
    if not wanted:
        raise ValueError(f"expected at least one order and one seed; got {len(given)} and {len(seeds)}")
    return wanted


def _folder(order: Order, seed: int) -> str:
    """The name of a run's folder; of a long order, a hash of it."""
    text = "-".join(map(str, order))
    if len(text) > LONGEST:
        text = hashlib.sha256(text.encode()).hexdigest()[:24]
    return f"order-{text}-seed-{seed}"


def _open(
    folder: Path, learner: Learner, tasks: TaskSequence, seed: int, epochs: int, batch_size: int, precision: str | None
) -> Run | None:
    """The run in a folder; None where there is none, or one that cannot be gone on with.

    Raises:
        ValueError: if it was made otherwise than asked for now.
    """
    if not (folder / "run.json").exists():
        return None
    try:
        run = Run.open(folder)
    except RunError as error:
        warnings.warn(f"{error}; it is trained anew", RuntimeWarning, stacklevel=3)
        return None
    try:
        same_sequence(run, tasks)
        same_learner(run, learner)
    except ValueError as error:
        raise ValueError(f"{folder} holds another run ({error}); choose another `out`") from error
    asked = {"epochs": epochs, "batch_size": batch_size, "precision": precision}
    training = run.config.get("training", {})
    for name, value in (asked | {"seed": seed}).items():
        kept = run.seed if name == "seed" else training.get(name)
        if kept != value:
            raise ValueError(
                f"{folder} holds a run with {name}={kept!r}; {value!r} was asked for; choose another `out`"
            )
    if run.status != "finished" and not any((folder / "states").glob("[0-9]*.safetensors")):
        return None
    return run


def _correlations(predicted: np.ndarray, measured: np.ndarray) -> dict[str, float]:
    """Rank correlations; NaN where there are none."""
    kinds = {"spearman": spearman, "weighted_kendall": weighted_kendall}
    if len(predicted) < 3:
        return dict.fromkeys(kinds, np.nan)
    return {name: float(of(predicted[None], measured[None])[0]) for name, of in kinds.items()}
