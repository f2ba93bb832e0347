"""The board in a real JupyterLab: buttons train, the picture follows, and an error shows itself."""

import pytest

pytest.importorskip("playwright.sync_api")
from playwright.sync_api import expect

SETUP = """
import torch
from tiny import learner, sequence
import cltoolkit as cl

class Breaks(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.linear, self.left = torch.nn.Linear(6, 2), 8
    def forward(self, x):
        self.left -= self.training
        if self.left < 0:
            raise RuntimeError("<img src=x onerror=\\"document.title='hit'\\">")
        return self.linear(x)
"""
BOARD = "board = cl.widgets.TrainingBoard(learner('HyperInterval'), sequence(), epochs=2, batch_size=8)\nboard"
BROKEN = "broken = cl.widgets.TrainingBoard(cl.learners.Finetune(Breaks()), sequence(), epochs=2, batch_size=8)\nbroken"
STARTED = (
    "running = cl.widgets.TrainingBoard(learner('Finetune'), sequence(), epochs=400, batch_size=8)\n"
    "at_once = running.start() is running and running.state != 'finished'\nrunning"
)


@pytest.fixture(scope="module")
def opened(notebook):
    return notebook(SETUP, BOARD, BROKEN, STARTED)


def press(cell, name):
    button = cell.get_by_role("button", name=name)
    button.focus()
    button.press("Enter")


def test_start_returns_at_once_and_pause_and_stop_are_heard(opened):
    cell = opened.cell(3)
    assert opened.kernel.eval("at_once") is True
    press(cell, "Pause")
    opened.kernel.wait("running.state", "paused")
    expect(cell.locator(".clt-board")).to_have_attribute("data-state", "paused")
    press(cell, "Stop")
    opened.kernel.wait("running.state", "stopped")
    opened.kernel.wait("running.run.status", "interrupted")
    expect(cell.get_by_role("button", name="Go on")).to_be_enabled()


def test_the_matrix_fills_task_by_task(opened):
    cell, kernel = opened.cell(1), opened.kernel
    canvas = cell.locator("canvas").first
    before = canvas.get_attribute("data-rev")
    press(cell, "One step")
    kernel.wait("board.state, board.place['done']", ("paused", 1))
    expect(cell.locator(".clt-where")).to_contain_text("paused: task 1 of 3 t0")
    press(cell, "One task")
    kernel.wait("board.state, board.place['done']", ("paused", 6))
    expect(canvas).not_to_have_attribute("data-rev", before)
    assert kernel.eval("board.run.num_tasks") == 1
    press(cell, "Go on")
    kernel.wait("board.state", "finished")
    expect(cell.locator(".clt-board")).to_have_attribute("data-state", "finished")
    expect(cell.locator(".clt-where")).to_contain_text("finished: step 18 of 18")
    expect(cell.get_by_role("button", name="Go on")).to_be_disabled()


def test_another_curve_is_chosen_by_keyboard(opened):
    cell, kernel = opened.cell(1), opened.kernel
    kernel.wait("board.state", "finished")
    losses = cell.locator("canvas").nth(1)
    frame = losses.get_attribute("data-frame")
    cell.get_by_role("combobox", name="Curve").select_option("worst")
    kernel.wait("board.loss", "worst")
    expect(losses).not_to_have_attribute("data-frame", frame)


def test_picking_a_cell_picks_the_task_in_the_kernel(opened):
    canvas = opened.cell(1).locator("canvas").first
    canvas.focus()
    for key in ("ArrowRight", "ArrowRight", "Enter"):
        canvas.press(key)
    opened.kernel.wait("board.task", 1)


def test_an_error_shows_its_traceback_as_text(opened):
    cell = opened.cell(2)
    press(cell, "Start")
    opened.kernel.wait("broken.state", "failed")
    expect(cell.get_by_role("alert")).to_contain_text("RuntimeError: <img src=x onerror=")
    assert cell.locator(".clt-problem img").count() == 0
    assert opened.page.evaluate("document.title") != "hit"
    assert opened.kernel.eval("broken.run.num_tasks") == 1
    expect(cell.get_by_role("button", name="Go on")).to_be_disabled()


def test_an_exported_board_needs_no_kernel(page_of):
    import tiny

    from cltoolkit.widgets import TrainingBoard

    board = TrainingBoard(tiny.learner("HyperNet"), tiny.sequence(), epochs=2, batch_size=8).start()
    page = page_of(board)
    expect(page.locator(".clt-where")).to_contain_text("finished: step 18 of 18")
    assert page.get_by_role("button").count() == 0
    page.locator("canvas").first.press("ArrowRight")
    expect(page.get_by_role("status")).to_contain_text("before, on t0")
