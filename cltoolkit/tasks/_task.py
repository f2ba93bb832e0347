"""One task: what there is to learn, and what a label means."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from torch import Tensor

from ._examples import Data, Device

__all__ = ["Scenario", "Task", "closed"]

Scenario = Literal["task", "domain", "class"]


@dataclass(frozen=True, eq=False)
class Task:
    """One task: its examples, and which output unit of the network stands for which original label.

    Where `y` holds floats `(n, k)` the task is a regression: the network's outputs 0..k − 1 should equal them, and
    there are no classes.

    Args:
        name: how tables and figures call it.
        train: what is learned from.
        test: what accuracy is measured on, and nothing else.
        validation: what choices may look at; None where there is none.
        classes: original labels; `classes[c]` is the original label of local label c. None in a regression.
        outputs: the output unit of each of `classes`. All `y` hold these numbers. In a regression those of the targets.
        scenario: whether the task's identity is known at test ("task"), unneeded ("domain") or to be found out
            ("class").
        augment: random change of a training batch `(b, *input_shape)` given a generator, drawn per sample, on the
            device.
    """

    name: str
    train: Data
    test: Data
    validation: Data | None = None
    classes: tuple[int | str, ...] = ()
    outputs: tuple[int, ...] = ()
    scenario: Scenario = "task"
    augment: Callable[[Tensor, torch.Generator], Tensor] | None = None

    def __post_init__(self) -> None:
        for part, data in self.parts.items():
            if len(data) == 0:
                raise ValueError(f"task {self.name!r} has no {part} examples; every part needs at least one")
            if data.input_shape != self.train.input_shape:
                raise ValueError(
                    f"task {self.name!r}: train inputs have shape {self.train.input_shape}, {part} inputs "
                    f"{data.input_shape}; "
                    "resize or pad one of them"
                )
            if data.y.ndim != self.train.y.ndim:
                raise ValueError(
                    f"task {self.name!r}: train has {_kind(self.train)}, {part} {_kind(data)}; give one or the other"
                )
        if self.regression:
            self._check_targets()
        else:
            self._name_labels()

    def _check_targets(self) -> None:
        units = tuple(range(self.train.y.shape[1]))
        widths = {part: data.y.shape[1] for part, data in self.parts.items()}
        if len(set(widths.values())) > 1:
            raise ValueError(f"task {self.name!r}: expected targets of one width in all parts; got {widths}")
        if self.classes:
            raise ValueError(
                f"task {self.name!r}: real-valued targets have no classes; got classes={self.classes[:5]}. "
                "Leave `classes` out, or give labels, as whole numbers."
            )
        if self.outputs and self.outputs != units:
            raise ValueError(
                f"task {self.name!r}: real-valued targets are met by the outputs {units}, in order; "
                f"got outputs={self.outputs}. Leave `outputs` out."
            )
        if self.scenario == "class":
            raise ValueError(
                f"task {self.name!r}: scenario='class' tells classes apart across tasks, and real-valued targets have "
                "none; use 'task' or 'domain'"
            )
        object.__setattr__(self, "outputs", units)

    def _name_labels(self) -> None:
        if not self.outputs:
            count = len(self.classes) or int(self.train.y.max()) + 1
            object.__setattr__(self, "outputs", tuple(range(count)))
        if not self.classes:
            object.__setattr__(self, "classes", self.outputs)
        self._check_labels()

    def _check_labels(self) -> None:
        if len(self.classes) != len(self.outputs):
            raise ValueError(
                f"task {self.name!r}: {len(self.classes)} classes but {len(self.outputs)} output units; one each"
            )
        if len(self.classes) < 2 and self.scenario != "class":
            raise ValueError(
                f"task {self.name!r} has the single class {self.classes[0]!r}: there is nothing to tell apart. "
                "Put more classes into the task, or use scenario='class', where classes are told apart across tasks."
            )
        known = torch.tensor(self.outputs)
        for part, data in self.parts.items():
            found = data.y.cpu().unique()
            strange = found[~torch.isin(found, known)].tolist()
            if strange:
                raise ValueError(
                    f"task {self.name!r}: {part} labels {strange[:5]} are out of range; "
                    f"its classes are the labels {list(self.outputs)}. "
                    "Labels are counted from 0, or name all `classes`."
                )
        missing = known[~torch.isin(known, self.train.y.cpu())].tolist()
        if missing:
            names = [self.classes[self.outputs.index(unit)] for unit in missing]
            raise ValueError(
                f"task {self.name!r}: no training example of class {names[:5]}; remove the class or add examples"
            )

    @property
    def regression(self) -> bool:
        """Whether targets are real numbers, which outputs should equal, and not labels."""
        return self.train.y.is_floating_point()

    @property
    def parts(self) -> dict[str, Data]:
        """The examples by part: train, test and, where there is one, validation."""
        parts = {"train": self.train, "test": self.test}
        return parts if self.validation is None else parts | {"validation": self.validation}

    @property
    def input_shape(self) -> tuple[int, ...]:
        """The shape of one input."""
        return self.train.input_shape

    def with_outputs(self, outputs: tuple[int, ...], scenario: Scenario) -> "Task":
        """The same examples, with other output units standing for the same classes; no others for targets."""
        if self.regression:
            return replace(self, outputs=outputs, scenario=scenario)
        table = torch.zeros(max(self.outputs) + 1, dtype=torch.int64)
        table[torch.tensor(self.outputs)] = torch.tensor(outputs)
        return self._each(lambda data: data.relabel(table), outputs=outputs, scenario=scenario)

    def to(self, device: Device, memo: dict[int, Any] | None = None) -> "Task":
        """The same task with its examples on `device`."""
        return self._each(lambda data: data.to(device, memo))

    def _each(
        self,
        change: Callable[[Data], Data],
        *,
        outputs: tuple[int, ...] | None = None,
        scenario: Scenario | None = None,
    ) -> "Task":
        """The task with every part changed alike, and what the labels mean changed along with them."""
        return replace(
            self,
            train=change(self.train),
            test=change(self.test),
            validation=None if self.validation is None else change(self.validation),
            outputs=outputs or self.outputs,
            scenario=scenario or self.scenario,
        )


def _kind(data: Data) -> str:
    """What its examples are answered with."""
    return "real-valued targets" if data.y.is_floating_point() else "labels"


def closed(units: Sequence[int], like: Tensor) -> Tensor:
    """What to add to logits so that only some output units answer: 0 for `units`, -inf for the others.

    Args:
        units: those that may answer.
        like: `(..., k)`, logits; of their number, kind and device.

    Returns:
        `(k,)`.

    Example:
        >>> closed((0, 2), torch.zeros(5, 3))
        tensor([0., -inf, 0.])
    """
    mask = torch.full((like.shape[-1],), -torch.inf)
    mask[list(units)] = 0.0
    return mask.to(like)
