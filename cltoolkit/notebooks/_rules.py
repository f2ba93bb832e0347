"""What a stored notebook is held to: rules in a table. Each yields the cells that break it, and how."""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from ._file import Cell, Notebook, text
from ._random import draws

__all__ = ["KERNEL", "RULES", "VIEW", "VOLATILE", "Rule", "is_artist", "is_bare", "texts"]

Broken = Iterator[tuple[int | None, str]]

MAX_BYTES = 500_000
KERNEL = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
PLAIN_NAMES = ("Python 3", "Python 3 (ipykernel)")
VIEW = "application/vnd.jupyter.widget-view+json"
# What front ends write by themselves: times, hashes, versions, what was folded when the file was last saved.
VOLATILE = {
    "notebook": ("signature", "orig_nbformat", "orig_nbformat_minor", "papermill", "vscode", "interpreter", "colab"),
    "cell": ("execution", "ExecuteTime", "collapsed", "scrolled", "trusted", "papermill", "vscode", "executionInfo"),
}
ADDRESS = re.compile(r"\b0x[0-9a-fA-F]{6,}\b")
PATH = re.compile(r"(?<![\w.:/<+])/(?:[\w.+-]+/)+[\w.+-]+|\b[A-Za-z]:\\\w+")
INLINE = re.compile(r"data:[\w/+.;-]+,[\w+/=%-]*")
ARTIST = re.compile(
    r"<(?:Axes|PolarAxes|Figure|matplotlib\.|mpl_toolkits\.|seaborn\.)|^\[?Text\(|"
    r"^\(array\(.*<(?:BarContainer|a list of)|^<BarContainer",
    re.DOTALL,
)
INSTALL = re.compile(r"\b(?:pip3?|conda|mamba)\s+install\b|^\s*[!%]\s*(?:uv|pip3?|conda|mamba)\b.*", re.MULTILINE)
SYS_PATH = re.compile(r"\bsys\.path\b")
ID = re.compile(r"[a-zA-Z0-9_-]{1,64}")


@dataclass(frozen=True)
class Rule:
    """A rule: what breaks it, and what to do about that."""

    broken: Callable[[Notebook], Broken]
    advice: str


def _order(notebook: Notebook) -> Broken:
    """Code cells ran as 1, 2, 3, ...; empty ones are not counted."""
    expected = 0
    for number, cell in notebook.code():
        if is_bare(cell):
            continue
        expected += 1
        count = cell.get("execution_count")
        if count is None:
            yield (
                number,
                f"never ran, though it holds {len(cell['outputs'])} outputs" if _outputs(cell) else "never ran",
            )
        elif count != expected:
            yield number, f"ran as number {count}, and stands as number {expected}"


def _empty(notebook: Notebook) -> Broken:
    for number, cell in enumerate(notebook.cells, 1):
        if is_bare(cell):
            yield number, "is empty"


def _errors(notebook: Notebook) -> Broken:
    for number, cell in notebook.code():
        if "raises-exception" in cell.get("metadata", {}).get("tags", []):
            continue
        for output in _outputs(cell):
            if output["output_type"] == "error":
                yield number, f"ended in {output.get('ename', 'an error')}: {_short(text(output.get('evalue')))}"


def _stderr(notebook: Notebook) -> Broken:
    for number, cell in notebook.code():
        said = "".join(text(output.get("text")) for output in _outputs(cell) if output.get("name") == "stderr")
        if said.strip():
            yield number, f"says on stderr: {_short(said)}"


def _size(notebook: Notebook) -> Broken:
    size = notebook.path.stat().st_size
    if size > MAX_BYTES:
        cells = sorted(((len(json.dumps(cell)), number) for number, cell in notebook.code()), reverse=True)
        largest = ", ".join(f"cell {number} with {bytes_ / 1000:.0f} kB" for bytes_, number in cells[:3])
        yield None, f"{size / 1000:.0f} kB, more than {MAX_BYTES / 1000:.0f}: {largest}"


def _addresses(notebook: Notebook) -> Broken:
    return _shown(notebook, ADDRESS)


def _paths(notebook: Notebook) -> Broken:
    return _shown(notebook, PATH)


def _widget_state(notebook: Notebook) -> Broken:
    if "widgets" in notebook.metadata:
        yield None, f"holds {len(json.dumps(notebook.metadata['widgets'])) / 1000:.0f} kB of widget state"


def _views(notebook: Notebook) -> Broken:
    for number, cell in notebook.code():
        if any(VIEW in output.get("data", {}) for output in _outputs(cell)):
            yield (
                number,
                "names a widget that is gone: JupyterLab shows an error in its place where it trusts the notebook",
            )


def _metadata(notebook: Notebook) -> Broken:
    volatile = [key for key in VOLATILE["notebook"] if key in notebook.metadata]
    if "version" in notebook.metadata.get("language_info", {}):
        volatile.append("language_info.version")
    if volatile:
        yield None, f"holds {', '.join(volatile)}"
    for number, cell in enumerate(notebook.cells, 1):
        if volatile := [key for key in VOLATILE["cell"] if key in cell.get("metadata", {})]:
            yield number, f"holds {', '.join(volatile)}"


def _kernel(notebook: Notebook) -> Broken:
    kernel = notebook.metadata.get("kernelspec", {})
    if notebook.is_python and (kernel.get("name") != "python3" or kernel.get("display_name") not in PLAIN_NAMES):
        named = f"the kernel {kernel['name']!r}, {kernel.get('display_name')!r}" if "name" in kernel else "no kernel"
        yield None, f"names {named}"


def _ids(notebook: Notebook) -> Broken:
    ids = [cell.get("id") for cell in notebook.cells]
    counts = Counter(map(str, ids))
    for number, name in enumerate(ids, 1):
        if name is None:
            yield number, "has no id"
        elif not isinstance(name, str) or not ID.fullmatch(name):
            yield number, f"has the id {name!r}, which is none"
        elif counts[name] > 1 and name in ids[: number - 1]:
            yield number, f"has the id {name!r}, as cell {ids.index(name) + 1} has"


def _artists(notebook: Notebook) -> Broken:
    for number, cell in notebook.code():
        for output in _outputs(cell):
            if is_artist(output):
                yield number, f"shows {_short(text(output['data']['text/plain']))}"


def _draws(notebook: Notebook) -> Broken:
    return draws(notebook) if notebook.is_python else iter(())


def _installs(notebook: Notebook) -> Broken:
    for number, cell in notebook.code():
        if word := INSTALL.search(text(cell["source"])) or SYS_PATH.search(text(cell["source"])):
            yield number, f"holds `{_short(word[0])}`"


RULES = {
    "order": Rule(_order, "run every cell from the top, and save"),
    "empty": Rule(_empty, "delete it"),
    "error": Rule(_errors, "mend it, or tag the cell raises-exception where it is meant"),
    "stderr": Rule(_stderr, "mend what warns, or show progress as a widget"),
    "size": Rule(_size, "show fewer or smaller figures"),
    "address": Rule(_addresses, "it differs in every run: show something else, or give the object a repr"),
    "path": Rule(_paths, "it means nothing on other machines: print a relative one"),
    "widget-state": Rule(_widget_state, "remove it: some viewers refuse the whole notebook for it"),
    "view": Rule(_views, "remove that, and keep the picture beside it"),
    "metadata": Rule(_metadata, "remove what changes by itself"),
    "kernel": Rule(_kernel, "name the one that every installation has: python3"),
    "id": Rule(_ids, "give every cell one of its own"),
    "artist": Rule(_artists, "end the cell with `;`"),
    "random": Rule(_draws, "draw from a generator with a seed, such as cltoolkit.stream(0, 'purpose')"),
    "install": Rule(_installs, "say before the first cell what must be installed"),
}


def is_artist(output: dict[str, Any]) -> bool:
    """Whether an output is the repr of what a plot function returned, and no picture."""
    data = output.get("data", {})
    pictured = any(kind.startswith("image/") for kind in data)
    return (
        output["output_type"] == "execute_result" and not pictured and bool(ARTIST.search(text(data.get("text/plain"))))
    )


def is_bare(cell: Cell) -> bool:
    """Whether a cell can go without a loss: nothing in it, and nothing below it."""
    return not text(cell["source"]).strip() and not _outputs(cell) and not cell.get("attachments")


def texts(output: dict[str, Any]) -> Iterator[str]:
    """What one can read of an output, without pictures in it."""
    data = output.get("data", {})
    pieces = (output.get("text"), output.get("traceback"), *(data[kind] for kind in data if kind.startswith("text/")))
    return (INLINE.sub("", text(piece)) for piece in pieces)


def _shown(notebook: Notebook, pattern: re.Pattern[str]) -> Broken:
    """The cells whose outputs show something of this pattern; its first and how many more."""
    for number, cell in notebook.code():
        hits = [hit[0] for output in _outputs(cell) for words in texts(output) for hit in pattern.finditer(words)]
        if hits:
            more = f" and {len(hits) - 1} more" if len(hits) > 1 else ""
            yield number, f"shows {_short(hits[0])}{more}"


def _outputs(cell: Cell) -> list[dict[str, Any]]:
    return cell.get("outputs", [])


def _short(words: str) -> str:
    """One line, not too long."""
    line = " ".join(words.split())
    return line if len(line) <= 60 else line[:57] + "..."
