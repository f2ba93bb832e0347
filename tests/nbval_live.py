"""Lets nbval compare a cell's outputs with what JupyterLab and nbconvert store, and numbers as numbers.

nbval 0.11 keeps every output message it sees. A front end does more: it honors `clear_output` and display updates, and
gives what an `Output` widget captures to the widget. nbval also runs cells outside the history, where a final `;`
silences nothing, and notices a kernel that died only when the cell's time is up. So stored outputs, made by a front
end, differ from nbval's. With this plugin they agree, and a decimal number may differ in its last digits, as it does
between processors.
"""

import math
import os
import re
import time
from importlib.metadata import version
from queue import Empty

NBVAL = "0.11.0"
TOLERANCE = 5e-3  # absolute and relative, of decimal numbers in printed outputs; integers and words must be equal
DECIMAL = re.compile(r"(?<![\w.])[-−+]?\d+\.\d*(?:[eE][-+]?\d+)?(?![\w.])")
SHOWN = ("stream", "display_data", "execute_result", "error")


def pytest_configure(config):
    """Mends nbval where it is asked to run; pytest without it is left alone."""
    if config.getoption("nbval", False) or config.getoption("nbval_lax", False):
        os.environ["OMP_NUM_THREADS"] = "1"  # inherited by the kernels: the same sums in the same order
        mend_nbval()


class Printed(str):
    """An output's text. Two are equal if their words are, and their decimal numbers are close.

    >>> Printed("accuracy  0.9861") == Printed("accuracy 0.9859"), Printed("task 1") == Printed("task 2")
    (True, False)
    """

    def __eq__(self, other):
        if not isinstance(other, str):
            return NotImplemented
        return _words(self) == _words(other) and all(map(_close, DECIMAL.findall(self), DECIMAL.findall(other)))

    def __ne__(self, other):
        equal = self.__eq__(other)
        return equal if equal is NotImplemented else not equal

    __hash__ = str.__hash__


def _words(text):
    """The text without its decimals, and with columns of any width."""
    return re.sub(r"[ \t]+", " ", DECIMAL.sub(" # ", text))


def _close(a, b):
    a, b = (float(number.replace("−", "-")) for number in (a, b))
    return math.isclose(a, b, rel_tol=TOLERANCE, abs_tol=TOLERANCE)


class Screen:
    """What a front end knows of one notebook: which widget captures what, and what is displayed under which name."""

    def __init__(self):
        self.cell = None
        self.clear_next = False
        self.captures = {}  # an Output widget's comm: the request whose outputs it takes, "" for none
        self.displays = {}  # display name: the data that stand in a cell's outputs, to be changed in place

    def begin(self, cell):
        """A cell starts."""
        self.cell, self.clear_next = cell, False

    def passes(self, message):
        """Whether nbval shall see a message; what it would take wrongly is acted on here."""
        kind, content = message["msg_type"], message["content"]
        if kind.startswith("comm_"):
            self._watch_widgets(kind, content)
        elif kind == "update_display_data":
            self._update(content)
        elif kind in ("clear_output", *SHOWN):
            return self._shows(kind, content, message["parent_header"].get("msg_id"))
        return kind != "update_display_data"

    def _watch_widgets(self, kind, content):
        comm, state = content["comm_id"], content.get("data", {}).get("state", {})
        if kind == "comm_close":
            self.captures.pop(comm, None)
        elif state.get("_model_name") == "OutputModel" or (comm in self.captures and "msg_id" in state):
            self.captures[comm] = state.get("msg_id", "")

    def _update(self, content):
        data = self.displays.get(content.get("transient", {}).get("display_id"))
        if data is not None:
            data.clear()
            data.update(content["data"])

    def _shows(self, kind, content, request):
        if kind != "error" and request and request in self.captures.values():
            return False  # an Output widget has it
        if kind == "clear_output":
            self.clear_next = bool(content.get("wait"))
            if not self.clear_next:
                self.cell.test_outputs.clear()
            return False
        if self.clear_next:
            self.cell.test_outputs.clear()
            self.clear_next = False
        self._remember(kind, content)
        return True

    def _remember(self, kind, content):
        from nbformat import from_dict

        if kind in ("display_data", "execute_result"):
            content["data"] = from_dict(content["data"])  # nbval keeps this very object
            if name := content.get("transient", {}).get("display_id"):
                self.displays[name] = content["data"]


def mend_nbval():
    """Replaces five functions of nbval."""
    from nbval.kernel import RunningKernel
    from nbval.plugin import IPyNbCell, IPyNbFile

    if version("nbval") != NBVAL:
        raise ImportError(
            f"tests/nbval_live.py mends the internals of nbval {NBVAL}, and {version('nbval')} is installed; "
            f"install nbval=={NBVAL}, or read what changed and update the plugin"
        )
    get_message, run_cell, sanitize = IPyNbFile.get_kernel_message, IPyNbCell.runtest, IPyNbCell.sanitize
    await_reply = RunningKernel.await_reply

    def runtest(self):
        screen = self.parent.__dict__.setdefault("screen", Screen())
        screen.begin(self)
        run_cell(self)

    def get_kernel_message(self, timeout=None, stream="iopub"):
        while True:
            message = get_message(self, timeout=timeout, stream=stream)
            if self.screen.passes(message):
                return message

    def printed(self, text):
        text = sanitize(self, text)
        return Printed(text) if isinstance(text, str) else text

    def execute_cell_input(self, cell_input, allow_stdin=None):
        # IPython looks for the `;` that silences a result in the history.
        return self.kc.execute(cell_input, store_history=True, allow_stdin=allow_stdin, stop_on_error=False)

    def await_reply_or_death(self, msg_id, timeout=None):
        end = math.inf if timeout is None else time.monotonic() + timeout
        while True:
            try:
                return await_reply(self, msg_id, timeout=max(0.0, min(1.0, end - time.monotonic())))
            except Empty:
                if not self.is_alive():
                    raise RuntimeError("the kernel died while it ran this cell; out of memory?") from None
                if time.monotonic() >= end:
                    raise

    IPyNbCell.runtest, IPyNbCell.sanitize = runtest, printed
    IPyNbFile.get_kernel_message = get_kernel_message
    RunningKernel.execute_cell_input, RunningKernel.await_reply = execute_cell_input, await_reply_or_death
