"""Numbers as views say them."""

import math

__all__ = ["number"]


def number(x: float, form: str = "z.2f") -> str:
    """With a real minus sign, and none on what is written as zero (`z`); "unknown" where there is no number."""
    return f"{x:{form}}".replace("-", "−") if math.isfinite(x) else "unknown"
