"""The command: `python -m benchmarks [NAME ...] [--quick]`."""

import argparse
import sys
from pathlib import Path

import torch

from . import (
    agreement,
    board,
    certified,
    experiments,
    fit_overhead,
    growth,
    guidance,
    guided_step,
    hypernet_step,
    hypnettorch,
    import_time,
    intervals,
    masked,
    masks,
    placement,
    resampling,
    transferability,
    views,
)
from ._report import HERE, copy_into_readme, save, table

TIMINGS = {
    "import_time": import_time.run,
    "hypernet_step": hypernet_step.run,
    "growth": growth.run,
    "fit_overhead": fit_overhead.run,
    "hypnettorch": hypnettorch.run,
    "transferability": transferability.run,
    "placement": placement.run,
    "resampling": resampling.run,
    "guided_step": guided_step.run,
    "intervals": intervals.run,
    "masks": masks.run,
    "board": board.run,
    "views": views.run,
}
STUDIES = {  # what trains for long: all of them by one name, or one of them; each with what runs it
    "experiments": (experiments.run, {name: name for name in experiments.EXPERIMENTS}),
    "guidance": (guidance.run, {f"guidance_{name}": name for name in guidance.STUDIES}),
    "agreement": (agreement.run, {f"agreement_{name}": name for name in agreement.STUDIES}),
    "certified": (certified.run, {f"certified_{name}": name for name in certified.STUDIES}),
    "masked": (masked.run, {f"masked_{name}": name for name in masked.STUDIES}),
}
ORDER = (  # in the README
    "hypernet_step",
    "growth",
    "hypnettorch",
    "fit_overhead",
    "transferability",
    "placement",
    "resampling",
    "guided_step",
    "intervals",
    "masks",
    "board",
    "views",
    "import_time",
    *STUDIES,
)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description="Speed as ratios; results of known experiments."
    )
    names = [*TIMINGS, *(word for group, (_, each) in STUDIES.items() for word in (group, *each))]
    parser.add_argument(
        "name", nargs="*", help=f"one of {', '.join(names)}; by default the timings: {', '.join(TIMINGS)}"
    )
    parser.add_argument(
        "--quick", action="store_true", help="tiny sizes, to see that it runs; the numbers mean nothing"
    )
    parser.add_argument(
        "--out", type=Path, help="folder of the results; by default benchmarks/results, and none with --quick"
    )
    parser.add_argument("--threads", type=int, help="threads of torch; by default its own choice")
    chosen = parser.parse_args(arguments)
    if unknown := [name for name in chosen.name if name not in names]:
        parser.error(f"unknown benchmark {unknown[0]!r}; choose from {', '.join(names)}")
    if chosen.threads:
        torch.set_num_threads(chosen.threads)
    out = chosen.out or (None if chosen.quick else HERE / "results")
    for name in chosen.name or TIMINGS:
        if name in TIMINGS:
            _time(name, chosen.quick, out)
        else:
            _study(name, chosen.quick, out)
    if out == HERE / "results":
        copy_into_readme(out, ORDER)
    return 0


def _time(name: str, quick: bool, out: Path | None) -> None:
    result = TIMINGS[name](quick)
    print(f"## {result.title}\n\n{table(result)}\n", flush=True)
    if out is not None:
        save(result, out)


def _study(name: str, quick: bool, out: Path | None) -> None:
    for group, (run, each) in STUDIES.items():
        if name == group or name in each:
            run(each.values() if name == group else [each[name]], quick=quick, out=out)


if __name__ == "__main__":
    sys.exit(main())
