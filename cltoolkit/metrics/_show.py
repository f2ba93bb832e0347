"""An explanation as text and as HTML: the accuracy matrix with the used cells lit up."""

from html import escape
from typing import TYPE_CHECKING

import numpy as np

from ._inputs import Array, Mask

if TYPE_CHECKING:
    from cltoolkit.metrics._explain import Explanation

WIDEST_TEXT = 12  # tasks
WIDEST_HTML = 30

USED = "background:#ffd75e;color:#000;font-weight:bold;border:2px solid #000"
UNUSED = "background:#fff;color:#767676;border:1px solid #ddd"
HEAD = "background:#fff;color:#000;border:none;font-weight:normal"


def text(explanation: "Explanation") -> str:
    """The explanation in plain characters; used cells stand in brackets."""
    lines = [
        f"{explanation.title} ({explanation.name}): {explanation.direction} is better; {explanation.unit}",
        explanation.note,
    ]
    lines += [f"Warning: {explanation.warning}"] if explanation.warning else []
    lines.append("")
    for dialect, value in explanation.value.items():
        lines.append(f"{dialect}  {_number(value, 4)}  {explanation.formula[dialect]}")
        lines += [f"  {line}" for line in _cells_text(explanation, dialect)]
    return "\n".join(lines)


def html(explanation: "Explanation") -> str:
    """The explanation as HTML; used cells are boxed, bold and colored, and say on hovering what they add."""
    head = (
        f"<b>{escape(explanation.title)}</b> ({escape(explanation.name)}): {escape(explanation.direction)} is better; "
    )
    parts = [f"<p>{head}{escape(explanation.unit)}<br>{escape(explanation.note)}</p>"]
    parts += [f"<p><b>Warning:</b> {escape(explanation.warning)}</p>"] if explanation.warning else []
    for dialect, value in explanation.value.items():
        formula = escape(explanation.formula[dialect])
        parts.append(f"<p><b>{escape(dialect)}</b>&emsp;<b>{_number(value, 4)}</b>&emsp;{formula}</p>")
        parts.append(_cells_html(explanation, dialect))
    return f'<div style="max-width:100%;overflow-x:auto">{"".join(parts)}</div>'


def _cells_text(explanation: "Explanation", dialect: str) -> list[str]:
    if said := _instead(explanation, dialect, WIDEST_TEXT):
        return [said]
    columns = [_short(name, 8) for name in explanation.task_names]
    rows = _rows(explanation.task_names, 14)
    width = max(map(len, rows))
    lines = [" " * width + "".join(f"{name:>9} " for name in columns).rstrip()]
    for row, values, used in zip(rows, explanation.accuracy, explanation.cells[dialect], strict=True):
        cells = [f"  [{_number(a):>6}]" if lit else f"   {_number(a):>6} " for a, lit in zip(values, used, strict=True)]
        lines.append(f"{row:<{width}}{''.join(cells)}".rstrip())
    return lines


def _cells_html(explanation: "Explanation", dialect: str) -> str:
    if said := _instead(explanation, dialect, WIDEST_HTML):
        return f"<p>{escape(said)}</p>"
    head = "".join(f'<th scope="col" style="{HEAD}">{escape(_short(name, 14))}</th>' for name in explanation.task_names)
    rows = "".join(
        f'<tr><th scope="row" style="{HEAD};text-align:left">{escape(row)}</th>{_row_html(values, used, slopes)}</tr>'
        for row, values, used, slopes in zip(
            _rows(explanation.task_names, 20),
            explanation.accuracy,
            explanation.cells[dialect],
            explanation.slope[dialect],
            strict=True,
        )
    )
    caption = f"cells used by {explanation.name} ({dialect})"
    return (
        f'<table style="border-collapse:collapse" aria-label="{escape(caption)}">'
        f'<tr><td style="{HEAD}"></td>{head}</tr>{rows}</table>'
    )


def _row_html(values: Array, used: Mask, slopes: Array) -> str:
    return "".join(
        f'<td style="{USED}" title="used: the value changes by {slope:+.3g} per unit of this cell">{_number(a)}</td>'
        if lit
        else f'<td style="{UNUSED}">{_number(a)}</td>'
        for a, lit, slope in zip(values, used, slopes, strict=True)
    )


def _instead(explanation: "Explanation", dialect: str, widest: int) -> str:
    """What to say where the matrix need not or cannot be drawn."""
    used = explanation.cells[dialect]
    if not used.any():
        undefined = "no cell: it is undefined for these tasks"
        return "from evaluations during training, not from this matrix" if dialect == "steps" else undefined
    for earlier, cells in explanation.cells.items():
        if earlier == dialect:
            break
        if np.array_equal(cells, used):
            return f"the same cells as {earlier}"
    if used.shape[1] > widest:
        draw = f"plots.accuracy_matrix(run, highlight=explanation.cells[{dialect!r}])"
        return f"{int(used.sum())} of {used.size} cells: {draw}"
    return ""


def _rows(names: tuple[str, ...], length: int) -> list[str]:
    return ["before", *(f"after {_short(name, length)}" for name in names)]


def _short(name: str, length: int) -> str:
    return name if len(name) <= length else name[: length - 1] + "…"


def _number(value: float, digits: int = 3) -> str:
    return "unknown" if np.isnan(value) and digits == 4 else "–" if np.isnan(value) else f"{value:.{digits}f}"
