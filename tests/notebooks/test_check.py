"""Each rule finds its fault, in the cell that has it, and finds nothing in a notebook without it."""

import json

import pytest
from made_notebooks import PIXEL, code, failed, made, printed, shown, stored, viewed, words

from cltoolkit.notebooks import check

TIMES = {"iopub.execute_input": "2026-01-01T00:00:00.000000Z", "shell.execute_reply": "2026-01-01T00:00:02.500000Z"}

# What breaks a rule: the rule, the place, a word that is said, and the cells.
FAULTS = {
    "never ran": ("order", 2, "never ran", [code("1"), code("2", count=None)]),
    "outputs of a cell that never ran": ("order", 1, "holds 1 outputs", [code("1", printed("1"), count=None)]),
    "out of order": ("order", 1, "number 2", [code("1", count=2), code("2", count=2)]),
    "empty code": ("empty", 2, "is empty", [words("a"), code(" \n", count=None)]),
    "empty text": ("empty", 1, "is empty", [words(""), words("a")]),
    "an error": ("error", 1, "ValueError: no", [code("1 / 0", failed())]),
    "stderr": ("stderr", 1, "a warning", [code("warn()", printed("a warning", "stderr"))]),
    "an address": ("address", 1, "0x7f0123456789 and 1 more", [code("a", shown("<A at 0x7f0123456789>, 0x123456"))]),
    "a path": ("path", 1, "/home/someone/data.csv", [code("a", printed("read /home/someone/data.csv"))]),
    "a path on Windows": ("path", 1, "C:\\Users", [code("a", printed("read C:\\Users"))]),
    "a path in a table": ("path", 1, "/srv/data/x", [code("a", shown("t", **{"text/html": "<td>/srv/data/x</td>"}))]),
    "a view": ("view", 1, "a widget that is gone", [code("view", viewed(**{"image/png": PIXEL}))]),
    "times": ("metadata", 1, "execution", [code("a", execution=TIMES)]),
    "what was folded": ("metadata", 1, "collapsed, scrolled", [code("a", collapsed=True, scrolled=False)]),
    "axes": ("artist", 1, "<Axes: >", [code("draw()", shown("<Axes: >"))]),
    "lines": ("artist", 1, "Line2D", [code("draw()", shown("[<matplotlib.lines.Line2D at 0x7f0123456789>]"))]),
    "a text in a plot": ("artist", 1, "Text(0", [code("draw()", shown("Text(0.5, 1.0, 'title')"))]),
    "sys.path": ("install", 1, "sys.path", [code("import sys\nsys.path.append('..')")]),
    "pip": ("install", 1, "pip install", [code("!pip install torch")]),
    "a pip magic": ("install", 1, "%pip", [code("%pip -q install torch")]),
}


def rules(path, **options):
    return {finding.rule for finding in check(path, **options)}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_found_where_it_is(tmp_path, fault):
    rule, cell, word, cells = FAULTS[fault]
    findings = [finding for finding in check(stored(tmp_path / "a.ipynb", *cells)) if finding.rule == rule]
    assert [finding.cell for finding in findings] == [cell]
    assert word in findings[0].what


@pytest.mark.parametrize(
    "cell",
    [
        code("1 / 0", failed(), tags=["raises-exception"]),
        code("table", shown("t", **{"text/html": "<td>a</td><br/><a href='https://a.org/b/c/d'>1/2/3</a> runs/a/b"})),
        code("page", shown("t", **{"text/html": f"<img src='data:image/png;base64,/abc/def/{PIXEL}'>"})),
        code("figure", shown("<Figure size 640x480 with 1 Axes>", **{"image/png": PIXEL})),
        code("text", shown("'<Axe'")),
        code("draw();", tags=["hidden"]),
        code("import torch\ntorch.randn(3, generator=g)"),
    ],
)
def test_what_is_no_fault_is_not_found(tmp_path, cell):
    assert check(stored(tmp_path / "a.ipynb", words("What?"), cell)) == []


def test_widget_state_is_found(tmp_path):
    path = stored(tmp_path / "a.ipynb", code("a"), widgets={"application/vnd.jupyter.widget-state+json": {}})
    assert rules(path) == {"widget-state"}


@pytest.mark.parametrize(
    "metadata", [{"signature": "sha"}, {"vscode": {}}, {"language_info": {"name": "python", "version": "3.11.7"}}]
)
def test_metadata_that_change_by_themselves_are_found(tmp_path, metadata):
    assert rules(stored(tmp_path / "a.ipynb", code("a"), **metadata)) == {"metadata"}


@pytest.mark.parametrize(
    "kernel",
    [
        {},
        {"name": "conda-env-mine", "display_name": "mine", "language": "python"},
        {"name": "python3", "display_name": "base"},
    ],
)
def test_a_kernel_of_one_machine_is_found(tmp_path, kernel):
    assert rules(stored(tmp_path / "a.ipynb", code("a"), kernelspec=kernel)) == {"kernel"}


def test_another_language_has_its_own_kernel_and_its_own_random_numbers(tmp_path):
    r = {"kernelspec": {"name": "ir", "display_name": "R", "language": "R"}, "language_info": {"name": "R"}}
    assert check(stored(tmp_path / "a.ipynb", code("import random\nrandom.random()"), **r)) == []


def test_a_notebook_that_is_too_large_names_its_largest_cells(tmp_path):
    cells = [words("x" * 9000), code("a", printed("y" * 400_000)), code("b", printed("z" * 200_000), count=2)]
    [finding] = check(stored(tmp_path / "a.ipynb", *cells))
    assert (finding.cell, finding.rule) == (None, "size")
    assert "cell 2 with 400 kB, cell 3 with 200 kB" in finding.what


def test_ids_that_miss_or_repeat_or_are_none_are_found(tmp_path):
    notebook = made(*[words(text) for text in "abcd"])
    del notebook.cells[0]["id"]
    notebook.cells[1]["id"] = notebook.cells[2]["id"] = "twice"
    notebook.cells[3]["id"] = "not an id"
    path = tmp_path / "a.ipynb"
    path.write_text(json.dumps(notebook))
    assert [(finding.cell, finding.rule) for finding in check(path)] == [(1, "id"), (3, "id"), (4, "id")]


def test_time_is_held_against_a_budget_where_it_is_recorded(tmp_path):
    path = stored(tmp_path / "a.ipynb", code("a", execution=TIMES), code("b", count=2, execution=TIMES))
    assert "time" not in rules(path)
    assert "time" not in rules(path, budget=5.1)
    [finding] = [finding for finding in check(path, budget=4) if finding.rule == "time"]
    assert finding.what == "took 5.0 s, more than 4: cell 2 took 2.5 s, cell 1 took 2.5 s"


def test_time_and_errors_are_measured_by_executing_a_copy(tmp_path):
    path = stored(tmp_path / "a.ipynb", code("import time\ntime.sleep(0.3)"), code("1 / 0", count=2))
    before = path.read_bytes()
    findings = {finding.rule: finding.what for finding in check(path, execute=True, budget=0.2)}
    assert set(findings) == {"error", "time"}
    assert "ZeroDivisionError" in findings["error"]
    assert "cell 1 took" in findings["time"]
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("no json", "no notebook"),
        ("[]", "no nbformat"),
        ('{"nbformat": 3, "worksheets": []}', "format 3"),
        ('{"nbformat": 4, "cells": [1]}', "lacks its type"),
        ('{"nbformat": 4, "cells": [{"cell_type": "code", "source": 3}]}', "lacks its type"),
        ('{"nbformat": 4, "cells": [{"cell_type": "code", "source": "", "outputs": [3]}]}', "lacks its type"),
        ('{"nbformat": 4, "cells": [{"cell_type": "raw", "source": "", "metadata": {"tags": 3}}]}', "lacks its type"),
        ('{"nbformat": 4, "metadata": {"kernelspec": 3}, "cells": []}', "lacks its type"),
    ],
)
def test_a_file_that_is_no_notebook_is_one_finding(tmp_path, text, word):
    path = tmp_path / "a.ipynb"
    path.write_text(text)
    [finding] = check(path)
    assert finding.rule == "file"
    assert word in finding.what


def test_a_folder_means_the_notebooks_in_it_but_no_hidden_ones(tmp_path):
    for name in ("b/one.ipynb", "two.ipynb", ".ipynb_checkpoints/three.ipynb", "b/.cache/four.ipynb"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        stored(tmp_path / name, words(""))
    assert [finding.path.name for finding in check(tmp_path)] == ["one.ipynb", "two.ipynb"]


def test_rules_can_be_left_out_by_name(tmp_path):
    path = stored(tmp_path / "a.ipynb", words(""), code("a", failed()))
    assert rules(path, skip=["empty"]) == {"error"}
    with pytest.raises(ValueError, match="no rule 'emty'; did you mean 'empty'"):
        check(path, skip=["emty"])


def test_a_finding_says_where_what_and_what_to_do(tmp_path):
    [finding] = check(stored(tmp_path / "a.ipynb", words("")))
    assert str(finding) == f"{tmp_path / 'a.ipynb'}:1: empty: is empty; delete it"


def test_what_is_not_there_is_said(tmp_path):
    with pytest.raises(FileNotFoundError, match="expected a notebook or a folder"):
        check(tmp_path / "missing.ipynb")
