"""A report as Markdown with GitHub's tables; pictures are in the HTML alone."""

from collections.abc import Sequence

from ._document import Block, Cell, Gallery, Section, Strong, Table, Text

__all__ = ["markdown"]

# Entities where a backslash would depend on what stands before it, backslashes elsewhere.
ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "|": "&#124;", "\\": "&#92;", "`": "&#96;", "://": "&#58;//"}
MARKS = "*_[]$~#!"
TABLE = str.maketrans({mark: f"\\{mark}" for mark in MARKS})


def markdown(title: str, lead: Sequence[Block], sections: Sequence[Section]) -> str:
    """The page, tables and words."""
    blocks = [f"# {escaped(title)}", *(_block(block) for block in lead)]
    for i, section in enumerate(sections, 1):
        blocks += [f"## {i}. {escaped(section.title)}", escaped(section.intro), *map(_block, section.blocks)]
    return "\n\n".join(block for block in blocks if block) + "\n"


def escaped(text: str) -> str:
    """Any text in one line, as it is, whatever it would mean to Markdown."""
    line = " ".join(text.split())
    for special, entity in ENTITIES.items():
        line = line.replace(special, entity)
    return line.replace("&#", "\0").translate(TABLE).replace("\0", "&#")


def _block(block: Block) -> str:
    match block:
        case Text(words, warning=True):
            return f"> **Warning:** {escaped(words)}"
        case Text(words):
            return escaped(words)
        case Table():
            return _table(block)
        case Gallery():
            return ""


def _table(table: Table) -> str:
    sides = [":---", *([":---" if table.words else "---:"] * (len(table.head) - 1))]
    lines = [_row([escaped(name) for name in table.head]), _row(sides)]
    lines += [_row([_cell(cell) for cell in row]) for row in table.rows]
    return "\n".join([f"**{escaped(table.caption)}**", "", *lines])


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(cell: Cell) -> str:
    return f"**{escaped(cell.text)}**" if isinstance(cell, Strong) else escaped(cell)
