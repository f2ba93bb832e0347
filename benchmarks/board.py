"""What watching costs: a board that trains in a thread of a kernel, against `train` in the same kernel."""

from typing import Any

from ._report import Result, Row, ratio
from ._timing import Times

SETUP = """
import time
import cltoolkit as cl

sequence = cl.sequences.split_digits()
net = cl.networks.mlp(sequence.input_shape, {hidden}, sequence.num_classes)
make = {make}
settings = dict(epochs={epochs}, device="cpu")
begin = time.perf_counter()
cl.train(make(), sequence, **settings, progress=False)
alone = time.perf_counter() - begin
"""
WATCHED = """
from IPython.display import display
learner = make()
begin = time.perf_counter()
board = cl.widgets.TrainingBoard(learner, sequence, **settings)
display(board)
first = time.perf_counter()
board.start()
threaded = board.state != "finished"
"""
ENDED = """
board.wait()
watched = time.perf_counter() - first
board.close()
"""
ALONE = """
begin = time.perf_counter()
session = cl.training.Session.begin(make(), sequence, cl.training.Settings(epochs={epochs}), device="cpu")
first = time.perf_counter()
for _ in session:
    pass
alone = time.perf_counter() - first
"""
SUBJECTS: dict[str, dict[str, Any]] = {
    "HyperNet, MLP 64-64-64-2": {"make": "lambda: cl.learners.HyperNet(net)", "hidden": (64, 64), "epochs": 60},
    "HyperInterval, MLP 64-64-64-2": {
        "make": "lambda: cl.learners.HyperInterval(net)",
        "hidden": (64, 64),
        "epochs": 15,
    },
    "Finetune, MLP 64-300-100-2": {"make": "lambda: cl.learners.Finetune(net)", "hidden": (300, 100), "epochs": 200},
}


def run(quick: bool = False) -> Result:
    """Three learners, from quick steps to slow ones."""
    turns = 2 if quick else 5
    rows = [row for name in SUBJECTS for row in _rows(name, turns, quick)]
    return Result(
        "board",
        "Training on a board against training alone",
        rows,
        {"sequence": "split_digits", "turns": turns, "epochs": {name: its["epochs"] for name, its in SUBJECTS.items()}},
        [
            "In one Jupyter kernel, turn by turn, from the first step to the last: the board's thread sends updates, "
            "at most four a second and one after each task, through the kernel's own sockets to a client. "
            "Alone is the same session without a board. The picture is drawn by the browser, in a process of its own."
        ],
    )


def _rows(name: str, turns: int, quick: bool) -> list[Row]:
    subject = SUBJECTS[name] | ({"epochs": 2} if quick else {})
    kernel = Kernel()
    try:
        kernel.run(SETUP.format(**subject))
        times: Times = {f"{name}: board": [], f"{name}: alone": []}
        for turn in range(turns):
            for which in ("board", "alone")[:: -1 if turn % 2 else 1]:
                times[f"{name}: {which}"].append(kernel.seconds(which, subject))
    finally:
        kernel.end()
    return [ratio(times, f"{name}: board", f"{name}: alone", at_most=1.05)]


class Kernel:
    """A Jupyter kernel with a client that says it could be asked for input, as people can."""

    def __init__(self) -> None:
        from jupyter_client.manager import start_new_kernel

        self._manager, self._client = start_new_kernel()

    def run(self, code: str) -> None:
        """Runs code, and raises what it raised."""
        reply = self._client.execute_interactive(code, allow_stdin=True, output_hook=lambda message: None)
        if reply["content"]["status"] != "ok":
            raise RuntimeError("\n".join(reply["content"]["traceback"]))

    def value(self, expression: str) -> str:
        """The text of a value."""
        reply = self._client.execute_interactive("", user_expressions={"value": expression}, store_history=False)
        return reply["content"]["user_expressions"]["value"]["data"]["text/plain"]

    def seconds(self, which: str, subject: dict[str, Any]) -> float:
        """From the first step to the last."""
        if which == "alone":
            self.run(ALONE.format(**subject))
            return float(self.value("alone"))
        self.run(WATCHED)
        if self.value("threaded") != "True":
            raise RuntimeError("the board did not train in a thread; the kernel takes this client for a program")
        self.run(ENDED)
        return float(self.value("watched"))

    def end(self) -> None:
        """Stops it."""
        self._client.stop_channels()
        self._manager.shutdown_kernel(now=True)
