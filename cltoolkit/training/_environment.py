"""Where a run was made: what decides whether its bytes can come out again."""

import platform
import sys
import warnings
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import torch

from ..records import Run

__all__ = ["environment", "peak_memory", "reset_peak_memory", "warn_of_other_machine"]


def environment(device: torch.device) -> dict[str, Any]:
    """Versions, device and threads, in JSON's types."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor() or platform.machine()
    return {
        "cltoolkit": _version(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "platform": f"{platform.system()} {platform.machine()}",
        "device": str(device),
        "device_name": name,
        "threads": torch.get_num_threads(),
    }


def _version() -> str:
    try:
        return version("cltoolkit")
    except PackageNotFoundError:  # run from a source tree that is not installed
        return "0.0.0"


def warn_of_other_machine(run: Run, device: torch.device) -> None:
    """Says what differs from where the run began, since then its bytes may differ too."""
    now = environment(device)
    other = {key: (run.environment[key], now[key]) for key in now if run.environment.get(key, now[key]) != now[key]}
    if other:
        changes = ", ".join(f"{key} {old} → {new}" for key, (old, new) in other.items())
        warnings.warn(
            f"the run goes on elsewhere than it began ({changes}); results may differ in the last digits",
            RuntimeWarning,
            stacklevel=3,
        )


def reset_peak_memory(device: torch.device) -> None:
    """Begins a new count of the peak, where the device counts."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)


def peak_memory(device: torch.device) -> float:
    """Bytes at the peak: of the device since the last reset, or of this process so far; NaN where nobody tells."""
    if device.type == "cuda":
        return float(torch.cuda.max_memory_allocated(device))
    try:
        import resource
    except ImportError:  # Windows
        return float("nan")
    unit = 1 if sys.platform == "darwin" else 1024
    return float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit)
