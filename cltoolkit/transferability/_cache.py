"""What was computed already, kept in a folder of its own for each configuration."""

import hashlib
import json
import os
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.numpy import save as to_safetensors

from ..files import write_atomically
from ..params import Params
from ..records import RunError, read_tensors

__all__ = ["Cache"]

VERSION = 1  # of what is computed; a change of numbers is a new version
Values = dict[str, list[float]]


class Cache:
    """Files that can be read back instead of being computed again; without a folder nothing is kept.

    Args:
        root: a folder for any number of configurations.
        configuration: everything that the results depend on, in JSON's types.

    Attributes:
        folder: that of this configuration, named by the SHA-256 of it.
    """

    def __init__(self, root: str | os.PathLike[str] | None, configuration: Mapping[str, Any]) -> None:
        text = json.dumps({"version": VERSION} | dict(configuration), sort_keys=True, indent=1)
        name = hashlib.sha256(text.encode()).hexdigest()[:32]
        self.folder = None if root is None else Path(root) / name
        if self.folder is not None:
            for draft in self.folder.glob(".*.part"):  # what a killed process was writing
                draft.unlink(missing_ok=True)
            write_atomically(self.folder / "configuration.json", f"{text}\n".encode())

    def values(self, name: str, like: Mapping[str, int], compute: Callable[[], Values]) -> Values:
        """Lists of numbers, as many under each name as `like` says; read if they are there, else computed and kept."""
        file = None if self.folder is None else self.folder / f"{name}.json"
        if file is not None and file.exists():
            try:
                return _checked(json.loads(file.read_text(encoding="utf-8")), like)
            except (ValueError, TypeError, OSError, RecursionError) as error:
                _tell(file, error)
        values = compute()
        if file is not None:
            write_atomically(file, f"{json.dumps(values)}\n".encode())
        return values

    def tensors(self, name: str, like: Params, compute: Callable[[], Params]) -> Params:
        """Tensors, of the names, shapes and kinds of `like`, on its device; read or computed, as `values`."""
        file = None if self.folder is None else self.folder / f"{name}.safetensors"
        if file is not None and file.exists():
            try:
                return _fitting(read_tensors(file)[0], like)
            except (RunError, ValueError) as error:
                _tell(file, error)
        tensors = compute()
        if file is not None:
            write_atomically(file, to_safetensors({key: value.cpu().numpy() for key, value in tensors.items()}))
        return tensors

    def holds(self, name: str) -> bool:
        """Whether there is a file of values under a name; whether it can be read will be seen."""
        return self.folder is not None and (self.folder / f"{name}.json").exists()


def _checked(read: Any, like: Mapping[str, int]) -> Values:
    """Numbers as `Cache.values` kept them."""
    if not isinstance(read, dict) or {name: len(values) for name, values in read.items()} != dict(like):
        raise ValueError("other entries than expected")
    values = {name: [float(value) for value in read[name]] for name in like}
    if not all(np.isfinite(numbers).all() for numbers in values.values()):
        raise ValueError("numbers that are not finite")
    return values


def _fitting(read: Mapping[str, np.ndarray], like: Params) -> Params:
    """Arrays as tensors like those expected."""
    found = {name: torch.from_numpy(array) for name, array in read.items()}
    if {name: (v.shape, v.dtype) for name, v in found.items()} != {n: (v.shape, v.dtype) for n, v in like.items()}:
        raise ValueError("other tensors than expected")
    return {name: found[name].to(value.device) for name, value in like.items()}


def _tell(file: Path, error: Exception) -> None:
    warnings.warn(f"{file} is damaged ({error}); it is computed again", RuntimeWarning, stacklevel=4)
