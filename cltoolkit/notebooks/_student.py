"""The student's copy of a lesson: what the teacher wrote, without the solutions and without outputs."""

import copy
import os
from pathlib import Path

from ._file import Cell, Notebook, dump, read, text, write
from ._fix import mend

__all__ = ["student"]

BLANK = {"code": "# your answer", "markdown": "*Your answer:*"}
BEGIN, SOLUTION = "# --- exercise", "# --- solution"


def student(
    source: str | os.PathLike[str], out: str | os.PathLike[str] | None = None, *, overwrite: bool = False
) -> Path:
    """Writes the student's copy of a lesson; the same lesson gives the same copy.

    A cell with the tag `solution` keeps what stands above its line `# --- solution`, from its line `# --- exercise` on
    if it has one; where nothing stands there it becomes `# your answer`. A cell with the tag `answers` is folded. All
    other cells stay, those with the tag `check` among them. No output stays.

    Args:
        source: the teacher's notebook.
        out: the copy; by default NAME_student.ipynb beside it.
        overwrite: whether a copy that differs may be replaced. A student may have worked in it.

    Returns:
        The path of the copy.

    Raises:
        ValueError: if the source is no notebook, or has no cell with the tag `solution`.
        FileExistsError: if the copy is there and differs.
    """
    source = Path(source)
    target = Path(out) if out is not None else source.with_name(f"{source.stem}_student.ipynb")
    if target.resolve() == source.resolve():
        raise ValueError(f"{target} is the lesson itself; choose another --out")
    lesson = read(source)
    if not any(map(_is_solution, lesson.cells)):
        raise ValueError(f"{source} has no cell with the tag 'solution'; tag the cells that a student shall write")
    made = Notebook(target, copy.deepcopy(lesson.data))
    made.cells[:] = map(_for_students, made.cells)
    mend(made)
    if target.exists() and not overwrite and target.read_bytes() != dump(made):
        raise FileExistsError(
            f"{target} is there and differs; choose another --out, or have it replaced by --overwrite"
        )
    write(made)
    return target


def _is_solution(cell: Cell) -> bool:
    return "solution" in _tags(cell)


def _tags(cell: Cell) -> list[str]:
    return cell.get("metadata", {}).get("tags", [])


def _for_students(cell: Cell) -> Cell:
    """A cell as the student gets it."""
    metadata = dict(cell.get("metadata", {}))
    if _is_solution(cell):
        blank = BLANK.get(cell["cell_type"], "")
        cell = cell | {"source": _left(text(cell["source"])) or blank}
        metadata["tags"] = ["exercise", *(tag for tag in _tags(cell) if tag not in ("solution", "exercise"))]
    if "answers" in _tags(cell):
        metadata["jupyter"] = metadata.get("jupyter", {}) | {"source_hidden": True}
    cell = cell | {"metadata": metadata}
    return cell | {"outputs": [], "execution_count": None} if cell["cell_type"] == "code" else cell


def _left(source: str) -> str:
    """What stands above the solution; nothing where no line says where that begins."""
    lines = source.splitlines()
    marks = [line.strip() for line in lines]
    if SOLUTION not in marks:
        return ""
    end = marks.index(SOLUTION)
    begin = marks.index(BEGIN) + 1 if BEGIN in marks[:end] else 0
    return "\n".join(lines[begin:end]).strip("\n")
