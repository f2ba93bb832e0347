"""A student's copy holds what the teacher wrote, none of the solutions, and no outputs."""

import json

import nbformat
import pytest
from made_notebooks import code, printed, stored, words

from cltoolkit.notebooks import check, student

LESSON = [
    words("# Forgetting"),
    code("from cltoolkit.notebooks import Lesson\nlesson = Lesson('one')\nsecret = 0.25"),
    code("lesson.answer('bwt', lambda: -secret)", count=2, tags=["answers"]),
    words("How large is it?", tags=["exercise"]),
    code("bwt = -0.25", printed("-0.25"), count=3, tags=["solution"]),
    code(
        "import math\n# --- exercise\nbwt = ...  # write it here\n# --- solution\nbwt = -0.25",
        count=4,
        tags=["solution"],
    ),
    words("It is a quarter.", tags=["solution"]),
    code("lesson.check('bwt', bwt)", count=5, tags=["check"]),
]


@pytest.fixture
def lesson(tmp_path):
    return stored(tmp_path / "lesson.ipynb", *LESSON)


def cells(path):
    return nbformat.read(path, as_version=4).cells


def test_solutions_are_gone_and_the_rest_is_there(lesson):
    texts = [cell.source for cell in cells(student(lesson))]
    assert texts[:4] == [cell.source for cell in LESSON[:4]]
    assert texts[4:] == ["# your answer", "bwt = ...  # write it here", "*Your answer:*", "lesson.check('bwt', bwt)"]


def test_no_output_and_no_count_stays(lesson):
    made = [cell for cell in cells(student(lesson)) if cell.cell_type == "code"]
    assert [(cell.outputs, cell.execution_count) for cell in made] == [([], None)] * len(made)


def test_it_is_called_after_the_lesson_or_as_asked(lesson, tmp_path):
    assert student(lesson) == tmp_path / "lesson_student.ipynb"
    assert student(lesson, tmp_path / "mine.ipynb").is_file()


def test_the_same_lesson_gives_the_same_copy(lesson, tmp_path):
    notebook = json.loads(lesson.read_text())
    for cell in notebook["cells"]:
        del cell["id"]
    lesson.write_text(json.dumps(notebook))
    assert student(lesson).read_bytes() == student(lesson, tmp_path / "again.ipynb").read_bytes()
    nbformat.validate(nbformat.read(tmp_path / "again.ipynb", as_version=4))


def test_tags_say_what_is_left_to_do_and_answers_are_folded(lesson):
    made = cells(student(lesson))
    assert [cell.metadata.get("tags") for cell in made[3:]] == [*[["exercise"]] * 4, ["check"]]
    assert made[2].metadata.jupyter.source_hidden


def test_nothing_but_the_running_is_left_to_mend(lesson):
    assert {finding.rule for finding in check(student(lesson))} == {"order"}


def test_a_students_work_is_not_overwritten(lesson):
    copy = student(lesson)
    assert student(lesson) == copy
    worked = copy.read_text().replace("# your answer", "bwt = 3")
    copy.write_text(worked)
    with pytest.raises(FileExistsError, match="--overwrite"):
        student(lesson)
    assert copy.read_text() == worked
    student(lesson, overwrite=True)
    assert "# your answer" in copy.read_text()


def test_what_is_no_lesson_is_said(tmp_path):
    path = stored(tmp_path / "a.ipynb", code("a"))
    with pytest.raises(ValueError, match="no cell with the tag 'solution'"):
        student(path)
    with pytest.raises(ValueError, match="the lesson itself"):
        student(path, path)


def test_a_students_copy_runs_before_anything_is_answered(lesson):
    from nbclient import NotebookClient

    copy = nbformat.read(student(lesson), as_version=4)
    NotebookClient(copy, timeout=60).execute()
    assert copy.cells[-1].outputs[0].data["text/plain"] == "… open: not answered yet"
