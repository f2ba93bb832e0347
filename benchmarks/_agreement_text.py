"""What `benchmarks.agreement` found, in Markdown."""

from collections.abc import Mapping, Sequence
from typing import Any

from cltoolkit.transferability import ESTIMATORS

from ._report import write_facts

__all__ = ["AGAIN", "INTRODUCTION", "QUESTIONS", "section"]

AGAIN = "measured_again"
TRUTHS = {"linear_probe_gain": "linear probe", "fine_tune_gain": "fine-tuning", "closeness": "closeness"}
MEASURES = {"spearman": "ρ", "weighted_kendall": "τ"}
QUESTIONS = {
    "targets": "Which source for this target? The correlation over the sources of each target, averaged over targets",
    "pairs": "Which pairs transfer? One correlation over all pairs",
}
INTRODUCTION = (
    "# Which estimator to trust\n\nCorrelations of scores with measured transfer, pairs of a task with itself left "
    "out: ρ is Spearman's, τ Kendall's weighted towards the best ranks. Scores and gains are means over seeds, of "
    "networks that were trained apart. 95 % intervals: bootstrap over targets, or over pairs as if these were "
    "independent; they tell of other tasks, not of other seeds. **Bold** where the interval leaves out 0. *One run*: ρ "
    "of the scores of a single seed, averaged over seeds. *Measured again*: one half of the seeds' gains against the "
    "other half; where it is r, noise in the truth keeps even a perfect score near √(2r / (1 + r)). *Own first*: for "
    "how many targets the network of that very task comes first; it was trained on the examples that it is scored on. "
    "Clear gains and losses: pairs whose 95 % interval (Student, over seeds) leaves out 0."
)


def section(name: str, found: Mapping[str, Any]) -> str:
    """One study in Markdown."""
    sources = found["sources"]
    parts = [
        f"## {found['title']}",
        f"`python -m benchmarks agreement_{name}`; {write_facts(found['settings'] | found['environment'])}",
        f"Test accuracy of the scored networks on their own tasks: {sources['mean']:.3f} ({sources['lowest']:.3f} to "
        f"{sources['highest']:.3f}).",
        _gains(found["gains"]),
        *(_table(found, over) for over in QUESTIONS),
    ]
    return "\n\n".join(parts)


def _gains(gains: Sequence[Mapping[str, Any]]) -> str:
    """How much is gained, as a table; in points."""
    lines = [
        "| gain, in points | accuracy without a source | from the task itself | from others | clear gains "
        "| clear losses |\n|---|---|---|---|---|---|"
    ]
    for gain in gains:
        own, others, low, high = (100 * gain[k] for k in ("own", "others", "others_lowest", "others_highest"))
        lines.append(
            f"| {TRUTHS[gain['measure']]} | {100 * gain['baseline']:.1f} | {own:+.1f} | {others:+.1f} ({low:+.1f} to "
            f"{high:+.1f}) | {gain['helps']} of {gain['pairs']} | {gain['harms']} of {gain['pairs']} |"
        )
    return "\n".join(lines)


def _table(found: Mapping[str, Any], over: str) -> str:
    """Agreements of one kind, the best estimator on top."""
    rows = {(r["estimator"], r["truth"], r["measure"]): r for r in found["agreement"] if r["over"] == over}
    truths = [truth for truth in TRUTHS if any(key[1] == truth for key in rows)]
    heads = [f"{TRUTHS[truth]}: {sign}" for truth in truths for sign in MEASURES.values()]
    heads += [f"one run: {TRUTHS[truth]}" for truth in truths] + ["own first"]
    lines = [f"*{QUESTIONS[over]}.*\n", f"| estimator | {' | '.join(heads)} |", "|---" * (len(heads) + 1) + "|"]
    for name in sorted(dict.fromkeys(key[0] for key in rows), key=lambda one: _place(one, rows)):
        cells = [_cell(rows.get((name, truth, measure))) for truth in truths for measure in MEASURES]
        cells += [_number(rows.get((name, truth, "spearman"), {}).get("single")) for truth in truths]
        lines.append(f"| {' | '.join([_label(name), *cells, str(found['own_first'].get(name, ''))])} |")
    return "\n".join(lines)


def _place(name: str, rows: Mapping[tuple[str, str, str], Mapping[str, Any]]) -> tuple[bool, float]:
    """Estimators by mean ρ with the gains, then what was measured."""
    values = [rows.get((name, truth, "spearman"), {}).get("value") for truth in ("linear_probe_gain", "fine_tune_gain")]
    return name not in ESTIMATORS, -sum(value or 0.0 for value in values)


def _label(name: str) -> str:
    return ESTIMATORS[name].label if name in ESTIMATORS else name.replace("_", " ")


def _cell(row: Mapping[str, Any] | None) -> str:
    if row is None:
        return ""
    if row["value"] is None:
        return "undefined"
    text = f"{row['value']:.2f} [{row['low']:.2f}, {row['high']:.2f}]"
    return text if row["low"] <= 0 <= row["high"] else f"**{text}**"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"
