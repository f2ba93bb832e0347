"""A report as one HTML file that needs nothing else: no network, no script."""

from base64 import b64encode
from collections.abc import Sequence
from html import escape

from .. import plots
from ._document import Block, Cell, Gallery, Panel, Section, Strong, Table, Text

__all__ = ["html"]

POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
DPI = 96
STYLE = """
:root { color-scheme: light dark; --paper: #fff; --ink: #1b1b1b; --soft: #555; --line: #c9c9c9; --stripe: #f5f5f5;
  --warn: #fff4d6; --link: #0b5394 }
@media (prefers-color-scheme: dark) { :root { --paper: #15171a; --ink: #ececec; --soft: #b5b5b5; --line: #4a4d52;
  --stripe: #1e2125; --warn: #3a2f10; --link: #8ab8f0 } }
body { background: var(--paper); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; margin: 0 auto;
  max-width: 74rem; padding: 1rem 1.25rem 4rem }
h1 { font-size: 1.7rem; margin: 1rem 0 .25rem; overflow-wrap: anywhere }
h2 { border-bottom: 1px solid var(--line); font-size: 1.25rem; margin: 2.5rem 0 .5rem }
a { color: var(--link) }
nav ol { columns: 14rem; padding-left: 1.5rem }
.intro { color: var(--soft); max-width: 48rem }
.warning { background: var(--warn); border: 1px solid; border-left-width: .4rem; padding: .5rem .75rem }
.scroll { margin: 1rem 0; overflow-x: auto }
table { border-collapse: collapse; font-size: .85rem; font-variant-numeric: tabular-nums }
caption { font-weight: 600; padding: .25rem 0; text-align: left }
th, td { border-bottom: 1px solid var(--line); padding: .25rem .5rem; text-align: right; unicode-bidi: isolate;
  vertical-align: top }
thead th { border-bottom: 2px solid var(--ink); vertical-align: bottom }
tbody tr:nth-child(even) { background: var(--stripe) }
th:first-child, .words th, .words td { overflow-wrap: anywhere; text-align: left }
tbody th { font-weight: 600; min-width: 6rem }
.words tbody th { min-width: 10rem }
td { white-space: nowrap }
.words td { min-width: 5rem; white-space: normal }
.words td:last-child { min-width: 12rem }
.gallery { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fill, minmax(min(100%, 22rem), 1fr)) }
.gallery h3 { font-size: 1rem; grid-column: 1 / -1; margin: 1rem 0 0 }
figure { margin: 0 }
figcaption { font-size: .9rem; overflow-wrap: anywhere; unicode-bidi: isolate }
img { background: #fff; height: auto; max-width: 100% }
@media print { .scroll { overflow: visible } figure, tr { break-inside: avoid } }
"""


def html(title: str, lead: Sequence[Block], sections: Sequence[Section]) -> str:
    """The page: a heading, a table of contents that leaves nothing out, and the sections in order."""
    contents = "".join(
        f'<li><a href="#section-{i}">{escape(section.title)}</a></li>' for i, section in enumerate(sections, 1)
    )
    parts = [
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n<h1>{escape(title)}</h1>",
        *(_block(block) for block in lead),
        f'<nav aria-label="Contents"><ol>{contents}</ol></nav>',
        *(_section(i, section) for i, section in enumerate(sections, 1)),
        "</main>\n</body>\n</html>\n",
    ]
    return "\n".join(parts)


def _section(i: int, section: Section) -> str:
    blocks = "\n".join(map(_block, section.blocks))
    head = f'<h2 id="section-{i}">{i}. {escape(section.title)}</h2>\n<p class="intro">{escape(section.intro)}</p>'
    return f'<section aria-labelledby="section-{i}">\n{head}\n{blocks}\n</section>'


def _block(block: Block) -> str:
    match block:
        case Text(words, warning=True):
            return f'<p class="warning"><strong>Warning:</strong> {escape(words)}</p>'
        case Text(words):
            return f"<p>{escape(words)}</p>"
        case Table():
            return _table(block)
        case Gallery(caption, panels):
            return f'<div class="gallery">\n<h3>{escape(caption)}</h3>\n{"".join(map(_picture, panels))}</div>'


def _table(table: Table) -> str:
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in table.head)
    body = "\n".join(
        f'<tr><th scope="row">{_cell(first)}</th>{"".join(f"<td>{_cell(cell)}</td>" for cell in rest)}</tr>'
        for first, *rest in table.rows
    )
    kind = ' class="words"' if table.words else ""
    caption = escape(table.caption)
    return (
        f'<div class="scroll" role="region" tabindex="0" aria-label="{caption}">\n<table{kind}>\n'
        f"<caption>{caption}</caption>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table>\n</div>"
    )


def _cell(cell: Cell) -> str:
    return f"<strong>{escape(cell.text)}</strong>" if isinstance(cell, Strong) else escape(cell)


def _picture(panel: Panel) -> str:
    figure = plots.sheet([panel.draw], columns=1, size=panel.size)
    words = plots.alt_text(figure)
    if panel.said is not None:
        words = words.replace(*panel.said)
    width, height = (round(DPI * inches) for inches in panel.size)
    data = b64encode(plots.png(figure, dpi=DPI)).decode("ascii")
    caption = f"<figcaption>{escape(panel.heading)}</figcaption>" if panel.heading else ""
    picture = f'<img src="data:image/png;base64,{data}" width="{width}" height="{height}" alt="{escape(words)}">'
    return f"<figure>{caption}{picture}</figure>\n"
