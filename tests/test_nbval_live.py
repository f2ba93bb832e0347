"""The notebook comparison itself: what a front end stores passes, and what is wrong still fails."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("nbval")
nbclient = pytest.importorskip("nbclient")
nbformat = pytest.importorskip("nbformat")

HERE = Path(__file__).parent
CELLS = {
    "silenced": "import math\nmath.pi;",
    "cleared": "from IPython.display import clear_output\nprint('first')\nclear_output(wait=True)\nprint('second')",
    "cleared_at_once": "print('first')\nclear_output()\nprint('second')",
    "updated": "from IPython.display import display\nshown = display('before', display_id=True)\nshown.update('after')",
    "captured": "import ipywidgets\nbox = ipywidgets.Output()\nwith box:\n    print('inside')\nprint('outside')",
    "progress": "from tqdm.auto import tqdm\nfor _ in tqdm(range(3), desc='epochs'):\n    pass",
    "progress_text": "import sys, tqdm as t\nfor _ in t.tqdm(range(3), desc='epochs', file=sys.stdout):\n    pass",
    "figure": "import matplotlib.pyplot as plt\nplt.plot([1, 2]);",
    "number": "print('accuracy 0.9861')",
    "count": "print('3 tasks')",
    "word": "print('forgetting')",
}
CLOSE = {"number": ("0.9861", "0.9849")}
WRONG = {"number": ("0.9861", "0.9761"), "count": ("3 tasks", "4 tasks"), "word": ("forgetting", "transfer")}


def executed():
    """The cells above as a front end stores them."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(text) for text in CELLS.values()])
    return nbclient.NotebookClient(notebook, kernel_name="python3").execute()


def changed(notebook, changes):
    """A copy with some stored outputs changed."""
    copy = nbformat.from_dict(notebook)
    for cell, name in zip(copy.cells, CELLS, strict=True):
        if name in changes:
            cell.outputs[0].text = cell.outputs[0].text.replace(*changes[name])
    return copy


def dying():
    """A notebook whose only cell ends its kernel."""
    cell = nbformat.v4.new_code_cell("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)", execution_count=1)
    return nbformat.v4.new_notebook(cells=[cell])


@pytest.fixture(scope="module")
def failures(tmp_path_factory):
    """The cells that nbval refuses, by notebook, in one run such as `make test` makes."""
    folder, front_end = tmp_path_factory.mktemp("notebooks"), executed()
    books = {
        "right": front_end,
        "close": changed(front_end, CLOSE),
        "wrong": changed(front_end, WRONG),
        "dying": dying(),
    }
    for name, notebook in books.items():
        nbformat.write(notebook, folder / f"{name}.ipynb")
    options = [
        "--nbval",
        "--nbval-current-env",
        f"--nbval-sanitize-with={HERE / 'nbval_sanitize.cfg'}",
        "-rf",
        "--color=no",
    ]
    command = [
        sys.executable,
        "-m",
        "pytest",
        *options,
        "-c",
        str(HERE.parent / "pyproject.toml"),
        f"--rootdir={folder}",
    ]
    done = subprocess.run([*command, str(folder)], capture_output=True, text=True, cwd=folder, check=False)
    named = re.findall(r"^FAILED (\w+)\.ipynb::Cell (\d+)", done.stdout, re.MULTILINE)
    assert named, done.stdout + done.stderr
    return {name: {list(CELLS)[int(cell)] for book, cell in named if book == name} for name in books}


def test_what_a_front_end_stores_passes(failures):
    assert failures["right"] == set()


def test_last_digits_may_differ(failures):
    assert failures["close"] == set()


def test_what_is_wrong_fails(failures):
    assert failures["wrong"] == set(WRONG)


def test_a_dead_kernel_is_noticed_at_once(failures):
    """And not after the 2000 s that nbval waits by itself."""
    assert len(failures["dying"]) == 1
