"""What every stored notebook is held to, beside being executed: complete, clean and small."""

import json
import re
from pathlib import Path

import pytest

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))
ADDRESS = re.compile(r"\b0x[0-9a-fA-F]{6,}\b")
PATH = re.compile(r"(?<![\w.:/<])/(?:[\w.+-]+/)+[\w.+-]+|\b[A-Za-z]:\\\w+")
ARTIST = re.compile(
    r"<(?:Axes|Figure|matplotlib\.|seaborn\.)|^\[?Text\(|^\(array\(.*<(?:BarContainer|a list of)", re.DOTALL
)
AGAIN = "run `make notebooks`, which executes and stores every notebook alike"


@pytest.fixture(params=NOTEBOOKS, ids=[path.name for path in NOTEBOOKS])
def path(request):
    return request.param


@pytest.fixture
def notebook(path):
    return json.loads(path.read_text(encoding="utf-8"))


def source(cell):
    return "".join(cell["source"])


def code(notebook):
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def outputs(notebook):
    return [output for cell in code(notebook) for output in cell["outputs"]]


def texts(output):
    """The printed texts of one output."""
    data = output.get("data", {})
    for text in (output.get("text", ""), *(data[kind] for kind in data if kind.startswith("text/"))):
        yield "".join(text)


def found(pattern, notebook):
    return [match[0] for output in outputs(notebook) for text in texts(output) for match in pattern.finditer(text)]


def test_is_stored_executed_in_order(notebook):
    counts = [cell["execution_count"] for cell in code(notebook)]
    assert counts == list(range(1, len(counts) + 1)), AGAIN


def test_has_no_empty_cells(notebook):
    assert all(source(cell).strip() for cell in notebook["cells"]), "delete the empty cells"


def test_has_no_errors(notebook):
    assert [output["ename"] for output in outputs(notebook) if output["output_type"] == "error"] == []


def test_keeps_only_the_metadata_that_names_the_language(notebook):
    """No widget state above all: it is large, and some viewers refuse the whole notebook for it."""
    assert set(notebook["metadata"]) == {"kernelspec", "language_info"}, AGAIN


def test_runs_on_any_python(notebook):
    kernel = notebook["metadata"].get("kernelspec", {}).get("name")
    assert kernel == "python3", "store it with the kernel that every installation has: kernelspec name python3"


def test_is_small(path):
    assert path.stat().st_size <= 500_000, "fewer or smaller figures: a notebook is at most 500 kB"


def test_prints_no_addresses(notebook):
    assert found(ADDRESS, notebook) == [], (
        "memory addresses differ in every run: show something else, or give the object a repr"
    )


def test_prints_no_paths_of_this_machine(notebook):
    assert found(PATH, notebook) == [], "absolute paths mean nothing elsewhere: print relative ones"


def test_shows_no_artists(notebook):
    results = [output for output in outputs(notebook) if output["output_type"] == "execute_result"]
    shown = [text for output in results for text in texts(output) if ARTIST.search(text)]
    assert shown == [], "a figure is followed by the repr of an artist: end the cell with `;`"


def test_installs_nothing(notebook):
    words = ("sys.path", "pip install", "conda install")
    assert [word for cell in code(notebook) for word in words if word in source(cell)] == []


def test_says_how_long_it_takes(notebook):
    first = notebook["cells"][0]
    assert first["cell_type"] == "markdown", "begin with the question, in words"
    assert re.search(r"\b(second|minute)s?\b", source(first)), "say in the first cell how long it runs on two CPU cores"
