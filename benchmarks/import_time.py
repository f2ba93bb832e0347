"""How long `import cltoolkit` takes beyond `import torch`, each time in a fresh process."""

import subprocess
import sys
from collections.abc import Callable

from ._report import HERE, Result, ratio, seconds
from ._timing import take_turns

BEYOND = "import time, torch; begin = time.perf_counter(); import cltoolkit; print(time.perf_counter() - begin)"


def run(quick: bool = False) -> Result:
    """Seconds within the process, and whole processes as a ratio."""
    turns = 1 if quick else 11
    beyond: list[float] = []
    calls: dict[str, Callable[[], object]] = {
        "import torch, cltoolkit": lambda: beyond.append(float(_python(BEYOND))),
        "import torch": lambda: _python("import torch"),
    }
    times = take_turns(calls, turns=turns, block=None)
    return Result(
        "import_time",
        "Import time",
        [
            seconds("import cltoolkit, after import torch", beyond, at_most=0.5),
            ratio(times, "import torch, cltoolkit", "import torch"),
        ],
        {"turns": turns},
        ["Every turn is a fresh process; the files are in the system's cache."],
    )


def _python(code: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=HERE.parent
    ).stdout
