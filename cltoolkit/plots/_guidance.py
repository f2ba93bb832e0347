"""How well guidance acts: how near task embeddings come to their H-embeddings."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from .. import metrics
from ._axes import FAINT, axes, describe, inches, legend_beside, marker, named, open_frame, short, slant, style
from ._related import Related, last, series

TELLING = (
    "learner",
    "guidance",
    "guidance_weight",
    "score",
    "normalizer",
    "solver",
)  # what may tell runs apart
ROUNDING = 1e-9  # a distance under which there is none


def guidance(
    run_or_runs: Related | Iterable[Related] | Mapping[str, Related | Iterable[Related]],
    *,
    show: Literal["cosine", "discrepancy", "residual"] = "cosine",
    ax: Axes | None = None,
) -> Axes:
    """Whether guidance acts, task by task: one line per kind of run.

    Over several seeds it is their mean, with the 95 % t-interval as a band and each run as small dots.

    Args:
        run_or_runs: Runs of HEmbedding, told apart by their guidance settings; or by names of your own, in a mapping.
        show: "cosine", cos(e_j, ê_j), 1 where the embedding points to its H-embedding; "discrepancy", the mean over
            earlier tasks n of |‖e_j − e_n‖ − γ_j d_n|; "residual", the largest |‖ê_j − e_n‖ − γ_j d_n|, what no
            embedding could do better.
        ax: axes to draw on; new ones by default.

    Returns:
        The axes; `alt_text` tells what they show.

    Raises:
        ValueError: if no run came, one lacks the series, or `show` is unknown.

    Example:
        >>> cl.plots.guidance([guided, unguided], show="discrepancy")  # doctest: +SKIP
    """
    if show not in SHOWN:
        raise ValueError(f"expected show to be one of {', '.join(map(repr, SHOWN))}; got {show!r}")
    label, value = SHOWN[show]
    runs, heading = _kinds(run_or_runs)
    lines = {name: _lines(name, [value(run) for run in members]) for name, members in runs.items()}
    ax = axes(ax)
    for i, (name, values) in enumerate(lines.items()):
        _line(ax, i, len(lines), name, values)
    longest = max(values.shape[1] for values in lines.values())
    names = next(run.task_names for members in runs.values() for run in members if len(run.task_names) == longest)
    _tasks(ax, list(names))
    ax.axhline(0, color=FAINT, linewidth=1, zorder=0.5)
    ax.set_ylim(*_limits(show, np.concatenate([values.ravel() for values in lines.values()])))
    ax.set(xlabel="task j, in the order learned", ylabel=label)
    open_frame(ax)
    if len(lines) > 1:
        legend_beside(ax, heading)
    if not any(np.isfinite(values).any() for values in lines.values()):
        ax.text(0.5, 0.5, "no task has an H-embedding", transform=ax.transAxes, ha="center", fontsize=8, color=FAINT)
    return describe(ax, _words(label, lines))


def _cosine(run: Related) -> NDArray[np.float64]:
    return last(series(run, "cosine"))[:, 0]


def _discrepancy(run: Related) -> NDArray[np.float64]:
    """The mean over earlier tasks, `(T,)`."""
    values = last(series(run, "discrepancy"))
    known = np.isfinite(values)
    total = np.where(known, values, 0).sum(1)
    return np.where(known.any(1), total / np.maximum(known.sum(1), 1), np.nan)


def _residual(run: Related) -> NDArray[np.float64]:
    return last(series(run, "residual"))[:, 0]


SHOWN: dict[str, tuple[str, Callable[[Related], NDArray[np.float64]]]] = {
    "cosine": ("cos(e_j, ê_j)\n(1: points to the H-embedding)", _cosine),
    "discrepancy": ("mean |‖e_j − e_n‖ − γ_j d_n|\n(0: as asked)", _discrepancy),
    "residual": ("largest |‖ê_j − e_n‖ − γ_j d_n|\n(0: all distances can be had)", _residual),
}


def _kinds(
    given: Related | Iterable[Related] | Mapping[str, Related | Iterable[Related]],
) -> tuple[dict[str, list[Related]], str | None]:
    """Runs by the name of their line, and what these names are: by default, what tells the runs apart."""
    if isinstance(given, Mapping):
        kinds = {name: list(runs) if isinstance(runs, Iterable) else [runs] for name, runs in given.items()}
        kinds, heading = {name: runs for name, runs in kinds.items() if runs}, None
    else:
        runs = list(given) if isinstance(given, Iterable) else [given]
        traits = [{"learner": run.name} | _settings(run) for run in runs]
        telling = [key for key in TELLING if len({str(trait.get(key)) for trait in traits}) > 1] or ["learner"]
        kinds, heading = {}, ", ".join(key.replace("_", " ") for key in telling)
        for run, trait in zip(runs, traits, strict=True):
            kinds.setdefault(", ".join(str(trait.get(key)) for key in telling), []).append(run)
    if not kinds:
        raise ValueError("no runs came: give at least one Run")
    return kinds, heading


def _settings(run: Related) -> dict[str, Any]:
    """The learner's hyper-parameters."""
    return run.config.get("learner", {}).get("config", {})


def _lines(name: str, values: list[NDArray[np.float64]]) -> NDArray[np.float64]:
    """`(runs, T)`."""
    lengths = sorted({len(row) for row in values})
    if len(lengths) > 1:
        raise ValueError(f"runs of {name} have different numbers of tasks, {lengths}; name them apart in a mapping")
    return np.stack(values)


def _line(ax: Axes, i: int, n: int, name: str, values: NDArray[np.float64]) -> None:
    center, half = metrics.mean_and_interval(values)
    look, k = style(i, n), np.arange(len(center))
    mark = marker(i, n) or ("o" if np.isfinite(center).sum() == 1 else "")
    label = short(name, 34) + (f" ({len(values)} seeds)" if len(values) > 1 else "")
    ax.plot(k, center, **look, marker=mark, markersize=4, markevery=max(1, len(k) // 12), label=label)
    if len(values) > 1:
        ax.plot(k, values.T, linestyle="", marker=".", markersize=3, color=look["color"], alpha=0.4, zorder=1.5)
    ax.fill_between(k, center - half, center + half, color=look["color"], alpha=0.15, linewidth=0)


def _limits(show: str, values: NDArray[np.float64]) -> tuple[float, float]:
    """So that every run is in the picture; intervals of few seeds may leave it, and rounding stays at zero."""
    known = values[np.isfinite(values)]
    if show == "cosine":
        return min(-0.05, float(known.min(initial=0.0)) - 0.05), 1.05
    top = float(known.max(initial=0.0))
    return (-0.02 * top, 1.2 * top) if top > ROUNDING else (-0.02, 1.0)


def _tasks(ax: Axes, names: list[str]) -> None:
    index, words, rotation = named(names, 0.65 * inches(ax)[0])
    ax.set_xticks(index, words, rotation=rotation, fontsize=8)
    slant(ax.get_xticklabels(), rotation, "right")
    ax.set_xlim(-0.3, len(names) - 0.7)


def _words(label: str, lines: dict[str, NDArray[np.float64]]) -> str:
    said = []
    for name, values in lines.items():
        center, _ = metrics.mean_and_interval(values)
        known = center[np.isfinite(center)]
        said.append(
            f"{name}: {known.mean():.3g} ({known.min():.3g} to {known.max():.3g})" if known.size else f"{name}: none"
        )
    return f"{label.replace(chr(10), ' ')}, mean over tasks and range: {'; '.join(said)}."
