"""Training runs that die without warning, each in a process of its own.

Called as a program with a JSON list of deaths. The processes are forked from this one, which has loaded everything.
"""

import itertools
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import tiny
import torch
import torch._dynamo  # the first optimizer would load it, in every process anew

from cltoolkit.records import Run
from cltoolkit.training import train

SETTINGS: dict[str, Any] = {"epochs": 2, "batch_size": 8, "checkpoint_every": 2, "device": "cpu", "progress": False}
LONG = SETTINGS | {"epochs": 8}


def run(name: str, out: Path, **settings: Any) -> Run:
    """The run whose deaths are tried."""
    return train(tiny.learner(name, batch_norm=True, dropout=True), tiny.sequence(3), out=out, **settings)


def die_at_write(n: int, how: str) -> None:
    """Has this process die at the n-th write: before or after its file is in place, or with its end torn off."""
    count, replace, fsync = itertools.count(), Path.replace, os.fsync
    kept: dict[int, int] = {}  # size of each file when it was last known to be on the disk

    def mortal_replace(self: Path, target: Path) -> Path:
        here = next(count) == n
        if here and how == "before":
            os._exit(9)
        result = replace(self, target)
        if here:
            os._exit(9)
        return result

    def mortal_fsync(file: int) -> None:
        now = os.fstat(file)
        if next(count) == n:
            os.ftruncate(file, max(kept.get(now.st_ino, 0), now.st_size - 3))
            os._exit(9)
        fsync(file)
        kept[now.st_ino] = now.st_size

    if how == "torn":
        os.fsync = mortal_fsync
    else:
        Path.replace = mortal_replace  # type: ignore[method-assign]


def forked(work: Callable[[], object]) -> int:
    """The process in which `work` is done."""
    pid = os.fork()
    if pid == 0:
        try:
            work()
        finally:
            os._exit(0)
    return pid


def die(death: dict[str, Any], seconds: float) -> None:
    """One run and its death: `{"name", "out", "at": fraction of its time}` or `{..., "write": n, "how": ...}`."""
    name, out = death["name"], Path(death["out"])
    if "at" in death:
        pid = forked(lambda: run(name, out, **LONG))
        time.sleep(death["at"] * seconds)
        os.kill(pid, signal.SIGKILL)
    else:
        pid = forked(lambda: (die_at_write(death["write"], death["how"]), run(name, out, **SETTINGS)))
    os.waitpid(pid, 0)


def duration(name: str, out: Path) -> float:
    """How long the run takes in a process of its own, if nobody kills it."""
    begin = time.perf_counter()
    os.waitpid(forked(lambda: run(name, out, **LONG)), 0)
    return time.perf_counter() - begin


def main(deaths: list[dict[str, Any]]) -> None:
    """Dies each of the deaths."""
    torch.set_num_threads(1)
    seconds: dict[str, float] = {}
    for death in deaths:
        if "at" in death and death["name"] not in seconds:
            seconds[death["name"]] = duration(death["name"], Path(f"{death['out']}-whole"))
        die(death, seconds.get(death["name"], 0.0))


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
