"""The board on an exported page; what its buttons do needs a kernel, and is in test_live.py."""

import pytest
from tiny import learner, sequence

from cltoolkit.widgets import TrainingBoard

sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install playwright")
expect = sync_api.expect


def test_an_exported_board_needs_no_kernel(page_of):
    board = TrainingBoard(learner("HyperNet"), sequence(), epochs=2, batch_size=8).start()
    page = page_of(board)
    expect(page.locator(".clt-where")).to_contain_text("finished: step 18 of 18")
    assert page.get_by_role("button").count() == 0
    page.locator("canvas").first.press("ArrowRight")
    expect(page.get_by_role("status")).to_contain_text("before, on t0")
