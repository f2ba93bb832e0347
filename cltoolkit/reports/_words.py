"""Numbers and counts as a reader sees them, in every format."""

import math
from collections.abc import Sequence

__all__ = ["MINUS", "UNKNOWN", "count", "difference", "megabytes", "number", "seconds", "spread", "these"]

UNKNOWN = "–"
MINUS = "−"


def number(value: float, digits: int = 3) -> str:
    """A score with so many decimals, or one where it is far from a fraction."""
    if math.isnan(value):
        return UNKNOWN
    text = f"{value:.{digits}f}" if abs(value) < 10 else f"{value:.1f}"
    if float(text) == 0:
        text = text.removeprefix("-")  # no minus where nothing but zeros follows
    return text.replace("-", MINUS)


def spread(mean: float, half: float) -> str:
    """A mean with the half-width of its interval, where there is one."""
    if math.isnan(half) or math.isnan(mean):
        return number(mean)
    return f"{number(mean)} ± {_half(half)}"


def _half(half: float) -> str:
    """Never rounded down to nothing."""
    return "<0.001" if 1e-9 < half < 0.0005 else number(half)


def difference(value: float) -> str:
    """A difference, with its sign."""
    text = number(value)
    return text if text.startswith((MINUS, UNKNOWN)) or float(text) == 0 else f"+{text}"


def seconds(value: float) -> str:
    """A duration in seconds, about three digits of it."""
    if math.isnan(value):
        return UNKNOWN
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def megabytes(value: float) -> str:
    """Bytes in MB."""
    return UNKNOWN if math.isnan(value) else f"{value / 1e6:,.0f}"


def count(n: int, what: str) -> str:
    """So many of them."""
    return f"{n} {what}{'s' * (n != 1)}"


def these(names: Sequence[str], most: int = 6) -> str:
    """Names in a row, the first of many."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
