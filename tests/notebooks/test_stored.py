"""The notebooks come with what they open, and what lies in the user's folder is never written over."""

import re
import shutil

import pytest

from cltoolkit.notebooks import TOUR, _stored, copy_stored, stored
from cltoolkit.notebooks._file import read, text


@pytest.fixture
def small(tmp_path, monkeypatch):
    """An installation with one notebook and one Run."""
    root = tmp_path / "installed"
    for name in (TOUR, "data/runs/one/run.json"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("ours")
    monkeypatch.setattr(_stored, "stored", lambda: root)
    return root


def states(copied):
    return {each.path.name: each.state for each in copied}


def test_every_file_that_a_notebook_names_is_copied_with_it(tmp_path):
    copy_stored(tmp_path)
    notebooks = sorted((tmp_path / "notebooks").glob("*.ipynb"))
    assert tmp_path / TOUR in notebooks
    for path in notebooks:
        code = "\n".join(text(cell["source"]) for _, cell in read(path).code())
        for name in re.findall(r"""["']\.\./((?:data|benchmarks)/[^"'{]*)""", code):
            assert (tmp_path / name).exists(), f"{path.name} opens {name}"


def test_our_own_folder_needs_no_copies():
    assert copy_stored(stored()) == []


def test_files_are_copied_once(small, tmp_path):
    assert set(states(copy_stored(tmp_path / "work")).values()) == {"new"}
    assert (tmp_path / "work" / TOUR).read_text() == "ours"
    assert set(states(copy_stored(tmp_path / "work")).values()) == {"same"}


def test_what_a_user_changed_stays(small, tmp_path):
    copy_stored(tmp_path)
    (tmp_path / TOUR).write_text("theirs")
    assert states(copy_stored(tmp_path))[TOUR.name] == "kept"
    assert (tmp_path / TOUR).read_text() == "theirs"


def test_a_fresh_copy_lies_beside_what_a_user_changed(small, tmp_path):
    copy_stored(tmp_path)
    (tmp_path / TOUR).write_text("theirs")
    taken = tmp_path / "notebooks" / "00_tour-1.ipynb"
    taken.write_text("theirs, too")
    for _ in range(2):
        assert states(copy_stored(tmp_path, fresh=True))["00_tour-2.ipynb"] == "beside"
    assert (tmp_path / TOUR).read_text() == "theirs"
    assert taken.read_text() == "theirs, too"
    assert len(list(taken.parent.iterdir())) == 3


def test_an_installation_without_notebooks_says_so(tmp_path, monkeypatch):
    shutil.copytree(_stored.Path(_stored.__file__).parent, tmp_path / "a" / "cltoolkit" / "notebooks")
    monkeypatch.setattr(_stored.resources, "files", lambda package: tmp_path / "a" / "cltoolkit" / "notebooks")
    with pytest.raises(FileNotFoundError, match="no notebooks"):
        stored()
