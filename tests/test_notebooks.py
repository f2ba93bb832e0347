"""What every stored notebook of ours is held to, beside being executed: the rules for any notebook, and two more."""

import json
import re
from pathlib import Path

import pytest

from cltoolkit.notebooks import check

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))


@pytest.fixture(params=NOTEBOOKS, ids=[path.name for path in NOTEBOOKS])
def path(request):
    return request.param


@pytest.fixture
def notebook(path):
    return json.loads(path.read_text(encoding="utf-8"))


def test_keeps_the_rules(path):
    found = "\n".join(map(str, check(path)))
    assert not found, f"\n{found}\n`make notebooks` executes and stores every notebook alike"


def test_keeps_only_the_metadata_that_names_the_language(notebook):
    assert set(notebook["metadata"]) == {"kernelspec", "language_info"}, "run `make notebooks`"


def test_says_how_long_it_takes(notebook):
    first = notebook["cells"][0]
    assert first["cell_type"] == "markdown", "begin with the question, in words"
    words = "".join(first["source"])
    assert re.search(r"\b(second|minute)s?\b", words), "say in the first cell how long it runs on two CPU cores"
