"""Saved states of a training run: everything that the next step depends on, in one file that is replaced whole."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save as to_safetensors
from torch import Tensor

from ..files import write_atomically
from ..learners import Learner
from ..records import RunError, read_tensors, readable
from ._loop import Position

__all__ = ["Checkpoint", "latest", "state_file"]

FORMAT = "cltoolkit-state"
VERSION = 1


@dataclass
class Checkpoint:
    """A learner between two steps.

    Attributes:
        position: the step that comes next.
        tensors: the learner's, with its optimizers' moments.
        facts: the learner's, in JSON's types.
        arrays: the run's, as they were.
        events: bytes of the events file that belong to it.
    """

    position: Position
    tensors: dict[str, Tensor]
    facts: dict[str, Any]
    arrays: dict[str, np.ndarray]
    events: int

    @classmethod
    def of(cls, learner: Learner, position: Position, arrays: dict[str, np.ndarray], events: int) -> "Checkpoint":
        """The learner as it is."""
        tensors, facts = learner.state()
        return cls(position, tensors, facts, arrays, events)

    def save(self, path: Path) -> None:
        """Writes it, whole or not at all."""
        tensors = {name: value.detach().cpu().contiguous() for name, value in self.tensors.items()}
        tensors |= {f"run/{name}": torch.from_numpy(np.array(value)) for name, value in self.arrays.items()}
        notes = {"position": asdict(self.position), "learner": self.facts, "events": self.events}
        head = {"format": FORMAT, "version": str(VERSION), "notes": json.dumps(notes)}
        write_atomically(path, to_safetensors(tensors, head))

    @classmethod
    def load(cls, path: Path) -> "Checkpoint":
        """Reads it.

        Raises:
            RunError: if it is damaged, or no state of cltoolkit's, or a newer one.
        """
        arrays, head = read_tensors(path)
        if head.get("format") != FORMAT or not head.get("version", "").isdecimal():
            raise RunError(f"{path} is not a saved state of cltoolkit")
        if int(head["version"]) > VERSION:
            raise RunError(
                f"{path} has version {head['version']}; this cltoolkit reads up to {VERSION}: install a newer one"
            )
        with readable(path):
            notes = json.loads(head["notes"])
            position, facts, events = Position(**notes["position"]), dict(notes["learner"]), int(notes["events"])
        run = {name.removeprefix("run/"): value for name, value in arrays.items() if name.startswith("run/")}
        tensors = {name: torch.from_numpy(value) for name, value in arrays.items() if not name.startswith("run/")}
        return cls(position, tensors, facts, run, events)


def state_file(folder: Path, tasks: int) -> Path:
    """Where the state after so many tasks lies."""
    return folder / "states" / f"{tasks:03d}.safetensors"


def latest(folder: Path) -> Checkpoint:
    """The furthest state saved in a run's folder.

    Raises:
        RunError: if there is none, or it is damaged.
    """
    ended = sorted((folder / "states").glob("[0-9]*.safetensors"))
    within = folder / "checkpoint.safetensors"
    if within.exists():
        checkpoint = Checkpoint.load(within)
        if not ended or checkpoint.position.task >= int(ended[-1].stem):
            return checkpoint
    if not ended:
        raise RunError(f"{folder} holds no saved state to go on from; train again with overwrite=True")
    return Checkpoint.load(ended[-1])  # the task ended after the last checkpoint within it
