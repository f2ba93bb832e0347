"""A stored notebook, run from the first cell to the last in a real JupyterLab."""

import pytest
from live_lab import ROOT

sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install playwright")
expect = sync_api.expect


def test_the_tour_runs_and_its_views_are_alive(notebook):
    tour = notebook(ROOT / "notebooks" / "00_tour.ipynb")
    expect(tour.page.locator(".clt-board")).to_have_attribute("data-state", "finished")
    explorer = tour.page.locator(".clt-run-explorer").first
    expect(explorer.locator("select.clt-metric")).to_have_value("backward transfer")
    explorer.locator("select.clt-metric").press("ArrowDown")
    tour.kernel.wait("explorer.metric", "fwt")
    tour.kernel.eval("setattr(explorer, 'task', 1)")
    expect(explorer.get_by_role("status")).to_contain_text("task 2/3")
