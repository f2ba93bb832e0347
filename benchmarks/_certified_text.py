"""What `benchmarks.certified` found, in Markdown."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ._report import write_facts

if TYPE_CHECKING:
    from .certified import Trial

__all__ = ["section", "text"]

INTRODUCTION = (
    "# Clean, certified and attacked accuracy\n\n"
    "After the last task; means over tasks and seeds, in brackets the lowest task. *Accuracy*: of the deployed "
    "networks on the test parts, in the scenario. *Told*: the same where the task is told, among the output units "
    "that certificates speak of; another number where tasks are inferred. *Certified*: test examples that every "
    "network of the box of weights answers right, in float64, rounded outward. *By embedding*: those that every "
    "network answers right which an embedding in the box makes, on some test examples, and how much more that is than "
    "by the box of weights on the same ones. *Attacked*: the least accuracy of a network in the box of weights that a "
    "search found, on some test examples. *Without data*: what is known to be certified still without a look at "
    "earlier tasks' data: by drift, on the examples watched in training; by nested boxes, on the test parts when the "
    "tasks were learned. *Width*: the median over weights, then the mean over tasks; a certificate is *vacuous* if "
    "that of its box is below 1e-8, or if nothing is certified. *Breaks*: the median width at which, all radii scaled "
    "alike, half of what the center answers right is no longer certified. *Time*: of one run with its certificates "
    "after each task."
)
COLUMNS = (
    "learner, scenario",
    "accuracy",
    "told",
    "certified",
    "by embedding",
    "attacked",
    "without data",
    "width",
    "breaks",
    "bwt",
    "time",
    "seeds",
    "bars",
)
NOTHING = "–"
CLEAR = 0.05  # what counts as better


def text(every: Mapping[str, Any], trials: Mapping[str, Mapping[str, "Trial"]]) -> str:
    """All studies in Markdown."""
    return "\n\n".join([INTRODUCTION, *(section(name, one, trials[name]) for name, one in every.items())]) + "\n"


def section(name: str, found: Mapping[str, Any], trials: Mapping[str, "Trial"]) -> str:
    """One study in Markdown."""
    done = {label: found["trials"][label] for label in trials if found["trials"].get(label, {}).get("runs")}
    means = {label: _means(one["runs"]) for label, one in done.items()}
    rows = "\n".join(f"| {' | '.join(_cells(label, done[label]['runs'], means, trials[label]))} |" for label in done)
    configs = "\n".join(f"- {label}: {_written(one['settings'])}" for label, one in done.items())
    tasks = "\n".join(f"- {label}: {_per_task(one['runs'])}" for label, one in done.items())
    wrong = sum(int(means[label].get("contradictions", 0)) for label in done)
    verdict = (
        f"**{wrong} certified examples were answered wrong.**" if wrong else "No certified example was answered wrong."
    )
    return (
        f"## {found['title']}\n\n`python -m benchmarks certified_{name}`; {write_facts(found['environment'])}\n\n"
        f"| {' | '.join(COLUMNS)} |\n|{'---|' * len(COLUMNS)}\n{rows}\n\n{_looks(done)} {verdict}\n\n"
        f"Per task, means over seeds:\n\n{tasks}\n\nSettings:\n\n{configs}"
    )


def _means(runs: Mapping[str, Mapping[str, Any]]) -> dict[str, float]:
    """Means over seeds of what was measured; contradictions and vacuous certificates are counted."""
    measures = [key for key in next(iter(runs.values())) if key != "tasks"]
    known = {key: [run[key] for run in runs.values() if run[key] is not None] for key in measures}
    counted = ("contradictions", "vacuous")
    return {key: float(np.sum(v) if key in counted else np.mean(v)) for key, v in known.items() if v}


def _cells(label: str, runs: Mapping[str, Any], means: Mapping[str, Mapping[str, float]], trial: "Trial") -> list[str]:
    """One row of the table."""
    one = means[label]
    shares = {key: _share(one, runs, key) for key in ("accuracy", "told", "certified", "embedding", "attacked")}
    if "embedding_gain" in one:
        shares["embedding"] += f", {one['embedding_gain']:+.3f}"
    numbers = {"data_free": ".3f", "width": ".2g", "breaks": ".2g", "bwt": "+.3f", "seconds": ".0f"}
    cells = {key: format(one[key], how) if key in one else NOTHING for key, how in numbers.items()}
    if one.get("vacuous"):
        certificates = sum(len(run["tasks"]["width"]) for run in runs.values())
        cells["width"] += f", {one['vacuous']:.0f} of {certificates} vacuous"
    cells["seconds"] += " s"
    return [label, *shares.values(), *cells.values(), ", ".join(runs), _bars(one, means, trial)]


def _share(one: Mapping[str, float], runs: Mapping[str, Any], key: str) -> str:
    """A mean, with that of the lowest task."""
    if key not in one:
        return NOTHING
    return f"{one[key]:.3f} ({min(_over_seeds(runs, key)):.3f})"


def _over_seeds(runs: Mapping[str, Any], key: str) -> list[float]:
    """For each task, the mean over seeds."""
    return np.mean([run["tasks"][key] for run in runs.values()], 0).tolist()


def _per_task(runs: Mapping[str, Any]) -> str:
    known = [key for key in ("accuracy", "certified") if key in next(iter(runs.values()))["tasks"]]
    return "; ".join(f"{key} {', '.join(f'{value:.3f}' for value in _over_seeds(runs, key))}" for key in known)


def _bars(one: Mapping[str, float], means: Mapping[str, Mapping[str, float]], trial: "Trial") -> str:
    """Each bar, and whether the mean over seeds meets it."""
    bars = [(key, f"≥ {bar:g}", one[key] >= bar) for key, bar in trial.at_least.items()]
    bars += [(key, f"≤ {bar:g}", one[key] <= bar) for key, bar in trial.at_most.items()]
    if trial.above in means:
        ahead = one["accuracy"] - means[trial.above]["accuracy"]
        bars.append(("accuracy", f"{CLEAR:g} above {trial.above} ({ahead:+.3f})", ahead >= CLEAR))
    return "; ".join(f"{key} {what}: {'met' if met else '**not met**'}" for key, what, met in bars)


def _written(settings: Mapping[str, Any]) -> str:
    """A trial's settings in one line."""
    own = {key: value for key, value in settings.items() if key not in ("looks", "config")}
    return write_facts(own | settings["config"])


def _looks(done: Mapping[str, Any]) -> str:
    """How many examples were looked at, and how hard."""
    every = [one["settings"]["looks"] for one in done.values() if one["settings"]["looks"]]
    return "".join(
        f"Attacks: up to {looks['attacked']} test examples of each task, {looks['restarts']} runs of {looks['steps']} "
        f"steps. By embedding: up to {looks['embedded']}."
        for looks in every[:1]
    )
