"""What is mended is mended once, changes nothing that is shown, and leaves what needs a judgment."""

import json

import nbformat
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_notebooks import PIXEL, VIEW, code, failed, made, printed, shown, stored, viewed, words

from cltoolkit.notebooks import check, fix
from cltoolkit.notebooks._file import Notebook
from cltoolkit.notebooks._fix import MENDS, mend

FAULTY = [
    words(""),
    code("draw()  # and look", shown("<Axes: >"), execution={"a": "b"}, scrolled=True),
    code("view", viewed(**{"image/png": PIXEL}), count=2),
    code("", count=None),
    code("warn()", printed("/home/me/x", "stderr"), failed(), count=3),
]
OF_A_MACHINE = {
    "widgets": {"a": 1},
    "kernelspec": {"name": "mine"},
    "language_info": {"name": "python", "version": "3"},
}


def test_what_can_be_mended_is_mended_and_said(tmp_path):
    path = stored(tmp_path / "a.ipynb", *FAULTY, **OF_A_MACHINE)
    before = check(path)
    mended = {(finding.cell, finding.rule) for finding in fix(path)}
    assert mended == {(finding.cell, finding.rule) for finding in before if finding.rule in MENDS}
    assert mended == {
        (1, "empty"),
        (4, "empty"),
        (None, "widget-state"),
        (None, "metadata"),
        (2, "metadata"),
        (2, "artist"),
        (None, "kernel"),
        (3, "view"),
    }
    assert {finding.rule for finding in check(path)} == {"stderr", "error", "path"}


def test_mending_again_changes_nothing(tmp_path):
    path = stored(tmp_path / "a.ipynb", *FAULTY, **OF_A_MACHINE)
    fix(path)
    once, time = path.read_bytes(), path.stat().st_mtime_ns
    assert fix(path) == []
    assert (path.read_bytes(), path.stat().st_mtime_ns) == (once, time)


def test_the_file_is_as_nbformat_writes_it(tmp_path):
    path = stored(tmp_path / "a.ipynb", *FAULTY, code("s = '''\nä\n'''", shown("ä", **{"image/svg+xml": "<a>\n</a>"})))
    fix(path)
    mended = path.read_bytes()
    nbformat.validate(json.loads(mended))
    nbformat.write(nbformat.read(path, as_version=4), path)
    assert path.read_bytes() == mended


def test_a_clean_notebook_is_not_written_however_it_is_formatted(tmp_path):
    path = tmp_path / "a.ipynb"
    path.write_text(json.dumps(made(words("a"), code("b"))))
    before = path.read_bytes()
    assert fix(path) == []
    assert path.read_bytes() == before


def test_a_picture_stays_where_a_view_was(tmp_path):
    path = stored(tmp_path / "a.ipynb", code("view", viewed(**{"image/png": PIXEL})))
    fix(path)
    [output] = json.loads(path.read_text())["cells"][0]["outputs"]
    assert set(output["data"]) == {"image/png", "text/plain"}


def test_a_view_with_nothing_beside_it_stays(tmp_path):
    output = nbformat.v4.new_output("display_data", data={VIEW: {"model_id": "0"}})
    path = stored(tmp_path / "a.ipynb", code("view", output))
    assert fix(path) == []
    assert [finding.rule for finding in check(path)] == ["view"]


@pytest.mark.parametrize(
    ("source", "silent"),
    [
        ("draw()", "draw();"),
        ("draw() # why", "draw(); # why"),
        ("draw(\n    1,\n)\n", "draw(\n    1,\n);\n"),
        ("(draw())\n\n# end", "(draw());\n\n# end"),
        ("'é'; draw()", "'é'; draw();"),
        ("a = 1\ndraw()[0]", "a = 1\ndraw()[0];"),
    ],
)
def test_an_artist_is_silenced_behind_the_last_word(tmp_path, source, silent):
    picture = nbformat.v4.new_output("display_data", data={"image/png": PIXEL, "text/plain": "<Figure>"})
    path = stored(tmp_path / "a.ipynb", code(source, shown("<Axes: >"), picture))
    fix(path)
    [cell] = nbformat.read(path, as_version=4).cells
    assert (cell.source, cell.outputs) == (silent, [picture])
    assert check(path) == []


def test_code_that_is_not_plain_python_keeps_its_artist(tmp_path):
    path = stored(tmp_path / "a.ipynb", code("draw('''", shown("<Axes: >")))
    assert fix(path) == []


def test_ids_depend_on_the_text_alone_and_valid_ones_stay(tmp_path):
    def without_ids(name):
        notebook = made(words("a"), words("a"), words("b"), words("c"))
        del notebook.cells[0]["id"], notebook.cells[1]["id"]
        notebook.cells[2]["id"] = notebook.cells[3]["id"] = "mine"
        path = tmp_path / name
        path.write_text(json.dumps(notebook | {"nbformat_minor": 4}))
        fix(path)
        return [cell["id"] for cell in json.loads(path.read_text())["cells"]]

    ids = without_ids("a.ipynb")
    assert ids == without_ids("b.ipynb")
    assert len(set(ids)) == 4
    assert ids[2] == "mine"
    nbformat.validate(nbformat.read(tmp_path / "a.ipynb", as_version=4))


def test_a_file_that_is_no_notebook_is_left_alone(tmp_path):
    path = tmp_path / "a.ipynb"
    path.write_text("no json")
    assert fix(path) == []
    assert path.read_text() == "no json"


cells = st.builds(
    code,
    st.sampled_from(["", "a = 1", "draw()", "draw() # x", "'''", "%time draw()", "import random\nrandom.random()"]),
    st.sampled_from([printed("a"), shown("<Axes: >"), viewed(), viewed(**{"image/png": PIXEL}), failed()]),
    count=st.sampled_from([None, 1, 2]),
    scrolled=st.booleans(),
)


@settings(max_examples=25)
@given(st.lists(st.one_of(cells, st.builds(words, st.sampled_from(["", "a"])))), st.booleans())
def test_what_is_mended_needs_no_more_mending(tmp_path_factory, contents, has_ids):
    notebook = made(*map(nbformat.from_dict, contents))
    for cell in notebook.cells:
        cell.pop("id") if not has_ids else None
    whole = Notebook(tmp_path_factory.getbasetemp() / "a.ipynb", notebook)
    mend(whole)
    once = json.dumps(whole.data)
    assert mend(whole) == []
    assert json.dumps(whole.data) == once
