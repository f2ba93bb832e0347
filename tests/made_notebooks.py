"""Notebooks made for tests: a clean one, and whatever is put into it."""

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

from nbformat import NotebookNode, from_dict, v4
from nbformat.v4.rwbase import split_lines

KERNEL = {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}
VIEW = "application/vnd.jupyter.widget-view+json"
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


def code(source: str, *outputs: NotebookNode, count: int | None = 1, **metadata: Any) -> NotebookNode:
    """A code cell that ran as number `count`."""
    return v4.new_code_cell(source, outputs=list(outputs), execution_count=count, metadata=metadata)


def words(source: str, **metadata: Any) -> NotebookNode:
    return v4.new_markdown_cell(source, metadata=metadata)


def printed(text: str, name: str = "stdout") -> NotebookNode:
    return v4.new_output("stream", name=name, text=text)


def shown(text: str, **data: Any) -> NotebookNode:
    """The value of a cell's last line."""
    return v4.new_output("execute_result", data={"text/plain": text} | data, execution_count=1)


def viewed(text: str = "Slider()", **data: Any) -> NotebookNode:
    """What a widget leaves."""
    return shown(text, **{VIEW: {"model_id": "0" * 32, "version_major": 2, "version_minor": 0}}, **data)


def failed() -> NotebookNode:
    return v4.new_output("error", ename="ValueError", evalue="no", traceback=["ValueError: no"])


def made(*cells: NotebookNode, **metadata: Any) -> NotebookNode:
    """A notebook; clean where the cells are."""
    notebook = v4.new_notebook(cells=list(cells))
    notebook.metadata = from_dict({"kernelspec": KERNEL, "language_info": {"name": "python"}} | metadata)
    for number, cell in enumerate(notebook.cells):
        cell.id = f"cell-{number}"  # nbformat's own are random
    return notebook


def stored(path: Path, *cells: NotebookNode, **metadata: Any) -> Path:
    """A notebook in a file, its faults included: nbformat's own way to write would mend some."""
    notebook = split_lines(deepcopy(made(*cells, **metadata)))
    path.write_text(json.dumps(notebook), encoding="utf-8")
    return path
