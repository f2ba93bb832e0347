"""What a report consists of, before any format: plain texts, which each writer escapes in its own way."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["Axes", "Block", "Cell", "Gallery", "Panel", "Section", "Strong", "Table", "Text"]


Axes = Any  # matplotlib's, which only plots/ imports


@dataclass(frozen=True)
class Strong:
    """Text that stands out, in print and to a screen reader."""

    text: str


Cell = str | Strong


@dataclass(frozen=True)
class Text:
    """A paragraph.

    Attributes:
        words: of it.
        warning: whether it is one, and says so.
        of_pictures: whether it is about pictures, and so only there where they are.
    """

    words: str
    warning: bool = False
    of_pictures: bool = False


@dataclass(frozen=True)
class Table:
    """A table whose first column names its rows.

    Attributes:
        caption: what it shows.
        head: of each column.
        rows: as long as `head`.
        words: whether cells hold words, set to the left, and not numbers.
    """

    caption: str
    head: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    words: bool = False


@dataclass(frozen=True)
class Panel:
    """A picture not drawn yet.

    Attributes:
        draw: what draws it, on axes.
        heading: of which learner it is; "" for all of them.
        said: what the plot calls its Run, and what it truly is, where a mean is drawn in the place of a Run.
        size: width and height in inches.
    """

    draw: Callable[[Axes], Axes]
    heading: str = ""
    said: tuple[str, str] | None = None
    size: tuple[float, float] = (5.0, 3.4)


@dataclass(frozen=True)
class Gallery:
    """Pictures side by side, which only a format with pictures shows."""

    caption: str
    panels: Sequence[Panel]


Block = Text | Table | Gallery


@dataclass(frozen=True)
class Section:
    """A heading, a sentence on how to read what follows, and what follows."""

    title: str
    intro: str
    blocks: Sequence[Block]

    def without_pictures(self) -> "Section":
        """The section as a format without pictures has it."""
        return Section(self.title, self.intro, [block for block in self.blocks if not _pictured(block)])


def _pictured(block: Block) -> bool:
    return isinstance(block, Gallery) or (isinstance(block, Text) and block.of_pictures)
