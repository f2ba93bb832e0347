"""The files of the published data sets: fetched by torchvision, checked, and read without running what is in them."""

import hashlib
import math
import os
import struct
import tarfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

Reader = Callable[[bytes], Any]

# What the network, the disk and damaged archives raise.
_FAILURES = (OSError, RuntimeError, EOFError, HTTPException, tarfile.TarError, zlib.error)


def data_root(root: str | os.PathLike[str] | None) -> Path:
    """Where data sets lie: as given, else $CLTOOLKIT_DATA, else ./data."""
    return Path(root if root is not None else os.environ.get("CLTOOLKIT_DATA") or "data")


@dataclass(frozen=True)
class File:
    """One file of a data set.

    Args:
        path: where it lies.
        md5: what it must hash to; None where nobody published that.
        read: what makes arrays of its bytes, raising ValueError where they are damaged.
    """

    path: Path
    md5: str | None
    read: Reader


def load(files: list[File], fetch: Callable[[], None], *, download: bool, verify: bool) -> list[Any]:
    """What the files hold, in their order; missing ones are fetched first.

    Raises:
        FileNotFoundError: if a file is missing and may or can not be downloaded.
        ValueError: if a file is damaged.
    """
    _complete(files, fetch, download)
    return [_read(file, verify) for file in files]


def _complete(files: list[File], fetch: Callable[[], None], download: bool) -> None:
    if all(file.path.is_file() for file in files):
        return
    reason = "download=False forbids fetching it"
    if download:
        try:
            fetch()
        except _FAILURES as error:
            reason = f"the download failed ({' '.join(str(error).split())})"
        else:
            reason = "the download brought no such file"
    missing = [file.path for file in files if not file.path.is_file()]
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise FileNotFoundError(
            f"missing data file {missing[0].absolute()}{more}: {reason}. "
            "Put the files there, or name the folder that holds them with root= or the environment variable "
            "CLTOOLKIT_DATA, or call again with download=True where there is a network."
        )


def _read(file: File, verify: bool) -> Any:
    content = file.path.read_bytes()
    remedy = "Delete it and call again with download=True, or put a sound copy there."
    if verify and file.md5 is not None:
        found = hashlib.md5(content, usedforsecurity=False).hexdigest()
        if found != file.md5:
            raise ValueError(
                f"data file {file.path.absolute()} is not the published one: MD5 {found}, expected {file.md5}. "
                f"{remedy} "
                "If you know that it is meant to differ, verify=False accepts it."
            )
    try:
        return file.read(content)
    except ValueError as error:
        raise ValueError(f"data file {file.path.absolute()} is damaged: {error}. {remedy}") from error


def read_idx(content: bytes) -> Tensor:
    """The uint8 array of an IDX file (MNIST's format): two zeros, type, number of dimensions, their sizes, the values.

    Raises:
        ValueError: if this is no such file, or not a whole one.
    """
    if len(content) < 4 or content[:3] != b"\0\0\x08" or len(content) < 4 + 4 * content[3]:
        raise ValueError(f"it does not begin as an IDX file of bytes does (it begins with {content[:4]!r})")
    shape = struct.unpack(f">{content[3]}I", content[4 : 4 + 4 * content[3]])
    values = content[4 + 4 * content[3] :]
    if len(values) != math.prod(shape):
        raise ValueError(f"it announces {math.prod(shape)} bytes of data and holds {len(values)}")
    return torch.from_numpy(np.frombuffer(values, np.uint8).reshape(shape).copy())
