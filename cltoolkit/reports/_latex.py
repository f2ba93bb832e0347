"""A report as a LaTeX file that compiles by itself; each table stands between comments, to be taken into a paper."""

import re
import unicodedata
from collections.abc import Sequence

from ._document import Block, Cell, Gallery, Section, Strong, Table, Text

__all__ = ["latex"]

PREAMBLE = r"""% Compiles by itself (pdflatex, lualatex or xelatex). To take a table into a paper, copy what
% stands between its comments; it needs \usepackage{longtable,array} and nothing else.
\documentclass[a4paper,landscape]{article}
\usepackage[T1]{fontenc}
\usepackage[margin=15mm]{geometry}
\usepackage{longtable,array}
\setlength{\parindent}{0pt}
\setlength{\parskip}{4pt}
\begin{document}
"""
SPECIAL = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "`": r"\textasciigrave{}",
    "±": r"\ensuremath{\pm}",
    "−": r"\ensuremath{-}",
    "–": r"\textendash{}",
    "…": r"\ldots{}",
    "★": r"\ensuremath{\star}",
    "↑": r"\ensuremath{\uparrow}",
    "↓": r"\ensuremath{\downarrow}",
    "×": r"\ensuremath{\times}",
    "·": r"\ensuremath{\cdot}",
}
LIGATURES = re.compile(r"([-',])(?=\1)")  # two of them would become another character
WIDTH = 0.94  # of the line, for all columns together
SIZES = ((125, "small"), (145, "footnotesize"), (175, "scriptsize"), (230, "tiny"))  # characters in a line of a table
BOUNDS = (8, 50)  # characters that a column is made for, at least and at most
FONT = 0x17F  # the last letter that T1 fonts can be relied on for


def latex(title: str, lead: Sequence[Block], sections: Sequence[Section]) -> str:
    """The document, tables and words."""
    blocks = [rf"\section*{{{escaped(title)}}}", *(_block(block) for block in lead)]
    for i, section in enumerate(sections, 1):
        blocks += [rf"\subsection*{{{i}. {escaped(section.title)}}}", escaped(section.intro)]
        blocks += map(_block, section.blocks)
    body = "\n\n".join(block for block in blocks if block)
    return f"{PREAMBLE}\n{body}\n\n\\end{{document}}\n"


def escaped(text: str) -> str:
    """Any text in one line, as it is; what fonts of LaTeX lack is named by its number."""
    return LIGATURES.sub(r"\1{}", "".join(map(_character, " ".join(text.split()))))


def _character(character: str) -> str:
    if character in SPECIAL:
        return SPECIAL[character]
    if character.isascii():
        return character if character.isprintable() else _numbered(character)
    letter = ord(character) <= FONT and unicodedata.category(character).startswith("L")
    return character if letter else _numbered(character)


def _numbered(character: str) -> str:
    return rf"\texttt{{U+{ord(character):04X}}}"


def _block(block: Block) -> str:
    match block:
        case Text(words, warning=True):
            return rf"\textbf{{Warning:}} {escaped(words)}"
        case Text(words):
            return escaped(words)
        case Table():
            return _table(block)
        case Gallery():
            return ""


def _table(table: Table) -> str:
    n, caption = len(table.head), escaped(table.caption)
    head = _row([rf"\textbf{{{escaped(name)}}}" for name in table.head])
    rows = [_row([_cell(cell) for cell in row]) for row in table.rows]
    sides = ["raggedright", *(["raggedright" if table.words else "raggedleft"] * (n - 1))]
    size, widths = _widths(table)
    columns = "".join(
        rf">{{\{side}\arraybackslash}}p{{{width:.3f}\linewidth}}" for side, width in zip(sides, widths, strict=True)
    )
    lines = [
        f"% begin table: {caption}",
        rf"{{\{size}\setlength{{\tabcolsep}}{{3pt}}",
        rf"\begin{{longtable}}{{{columns}}}",
        rf"\multicolumn{{{n}}}{{l}}{{\textit{{{caption}}}}} \\",
        r"\hline",
        head,
        r"\hline \endhead",
        *rows,
        r"\hline",
        r"\end{longtable}}",
        "% end table",
    ]
    return "\n".join(lines)


def _widths(table: Table) -> tuple[str, list[float]]:
    """The size of the letters, and each column's share of the line by its longest cell."""
    least, most = BOUNDS
    columns = zip(*([_plain(cell) for cell in row] for row in [table.head, *table.rows]), strict=True)
    longest = [min(max(least, *map(len, column)) + 2, most) for column in columns]
    fits = next((room for room in SIZES if room[0] >= sum(longest)), SIZES[-1])
    share = (WIDTH - 0.008 * len(longest)) / max(sum(longest), fits[0])  # less what stands between columns
    return fits[1], [share * length for length in longest]


def _row(cells: Sequence[str]) -> str:
    start = "{}" if cells[0].startswith(("[", "*")) else ""  # behind a line's end they would be its arguments
    return rf"{start}{' & '.join(cells)} \\"


def _cell(cell: Cell) -> str:
    return rf"\textbf{{{escaped(cell.text)}}}" if isinstance(cell, Strong) else escaped(cell)


def _plain(cell: Cell) -> str:
    return cell.text if isinstance(cell, Strong) else cell
