"""Pictures of records: `f(record, *, ax=None) -> Axes` draws on the axes given or on new ones, and returns them.

Nothing is shown, saved or restyled here. Each picture has a sentence for those who cannot see it: `alt_text(ax)`.
Colors are told apart by the color-blind, and by line style or marker in grey.
"""

from ._anytime import anytime
from ._average import average_so_far
from ._axes import alt_text
from ._compare import compare
from ._curves import curves
from ._examples import examples
from ._matrix import accuracy_matrix

__all__ = ["accuracy_matrix", "alt_text", "anytime", "average_so_far", "compare", "curves", "examples"]
