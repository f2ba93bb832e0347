"""How long it takes from a change in the kernel, or in a control, to the picture in a browser."""

import importlib.util
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from ._report import HERE, Result, Row
from ._timing import spread

PICTURES = {  # what the kernel makes of each
    "20 × 20 matrix": "Cells(MATRICES[:, 1:])",
    "1,000 points": "Cloud(CLOUDS)",
    "RunExplorer of 20 tasks": "Explorer()",
    "matplotlib and ipywidgets.Image, 20 × 20": "Still()",
}
BAR = 10.0  # milliseconds
WATCH = """
window.seen = [];
const mark = () => window.seen.push((performance.timeOrigin + performance.now()) / 1000);
document.addEventListener("load", (event) => { if (event.target.tagName === "IMG") mark(); }, true);
new MutationObserver(mark).observe(document.body, { subtree: true, attributes: true, attributeFilter: ["data-rev"] });
"""
SWITCH = """async (updates) => {
  const select = document.querySelector("select.clt-run"), canvas = document.querySelector("canvas"), took = [];
  for (let k = 1; k <= updates; k++) {
    await new Promise((done) => setTimeout(done, 100));
    const begin = performance.now();
    await new Promise((done) => {
      const drawn = new MutationObserver(() => { drawn.disconnect(); done(); });
      drawn.observe(canvas, { attributes: true, attributeFilter: ["data-frame"] });
      select.selectedIndex = k % 2;
      select.dispatchEvent(new Event("change"));
    });
    took.push(performance.now() - begin);
  }
  return took;
}"""


def run(quick: bool = False) -> Result:
    """Medians of spaced updates, in JupyterLab and on an exported page."""
    result = Result("views", "From the kernel to the screen")
    if missing := _missing():
        result.skipped = missing
        return result
    updates = 2 if quick else 20
    with tempfile.TemporaryDirectory() as folder:
        took = _took(Path(folder), updates)
    result.rows = [Row(what, "", spread(values), "ms", at_most=_bar(what)) for what, values in took.items()]
    result.settings = {"updates": updates, "seconds between them": 0.3}
    result.notes = [
        "Wall clock, from before the change in the kernel until the canvas is drawn in its animation frame (of the "
        "picture: until it is loaded); Chromium without a screen. The matrix writes its 400 numbers."
    ]
    return result


def _bar(what: str) -> float | None:
    return BAR if what in ("20 × 20 matrix", "1,000 points") else None


def _missing() -> str:
    """What there has to be first; empty if nothing."""
    for library in ("playwright", "jupyterlab", "anywidget"):
        if importlib.util.find_spec(library) is None:
            return f"needs {library}: pip install 'cltoolkit[notebooks]' playwright"
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        return "" if _chromium(playwright) else str(_from_tests("find_chromium").MISSING)


def _from_tests(name: str) -> Any:
    """A module of the tests' own tools, by its file."""
    if (folder := str(HERE.parent / "tests")) not in sys.path:
        sys.path.append(folder)
    return importlib.import_module(name)


def _chromium(playwright: Any) -> str | None:
    found: str | None = _from_tests("find_chromium").find_chromium(playwright.chromium.executable_path)
    return found


def _took(folder: Path, updates: int) -> dict[str, list[float]]:
    """Milliseconds of each update, by picture."""
    from playwright.sync_api import sync_playwright

    server = _from_tests("live_lab").Lab(folder)
    try:
        server.wait()
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=_chromium(playwright), args=["--disable-gpu"])
            try:
                live = _live(browser, server, updates)
                return live | {"RunExplorer of 20 tasks, another Run on a page": _on_a_page(browser, folder, updates)}
            finally:
                browser.close()
    finally:
        server.close()


def _live(browser: Any, server: Any, updates: int) -> dict[str, list[float]]:
    """In JupyterLab, each picture in a notebook of its own."""
    took: dict[str, list[float]] = {}
    for what, made in PICTURES.items():
        name = f"{len(took)}.ipynb"
        _write(server.root / name, ["from benchmarks._screens import *", f"picture = {made}\npicture.widget"])
        page = browser.new_page(viewport={"width": 1280, "height": 1600})
        notebook = _from_tests("live_lab").Notebook(page, server, name).run()
        notebook.page.wait_for_selector(".jp-OutputArea canvas[data-rev], .jp-OutputArea img")
        notebook.js(WATCH)
        begun = notebook.kernel.eval(f"spaced(picture, {updates})", seconds=60)
        seen = np.array(notebook.js("return window.seen"))
        took[what] = [1000 * float(seen[seen > begin].min() - begin) for begin in begun]
        notebook.close()
        page.close()
    return took


def _on_a_page(browser: Any, folder: Path, updates: int) -> list[float]:
    """Where there is no kernel."""
    from cltoolkit.widgets import RunExplorer

    from ._screens import record

    file = RunExplorer([record(0), record(1)]).to_html(folder / "page.html")
    page = browser.new_page(viewport={"width": 1280, "height": 1600})
    page.goto(Path(file).as_uri())
    page.wait_for_selector("canvas[data-rev]")
    return list(page.evaluate(SWITCH, updates))


def _write(path: Path, cells: list[str]) -> None:
    import nbformat

    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    code = [nbformat.v4.new_code_cell(cell) for cell in cells]
    nbformat.write(nbformat.v4.new_notebook(cells=code, metadata={"kernelspec": kernel}), path)
