"""What all views are: a few traits of state, a live picture, a still one, a page of their own, and words."""

import base64
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import anywidget
import numpy as np
import traitlets
from numpy.typing import ArrayLike

from ..files import write_atomically
from ..plots import png
from ._front import module, stylesheet
from ._page import page, plain

if TYPE_CHECKING:
    from ..plots import Figure

__all__ = ["View", "key", "one_of", "written"]

HANDED_OVER = {"content", "arrays", "answers", "rev", "alt", "kernel"}  # by the kernel; all else a person chooses


class View(anywidget.AnyWidget):
    """A view of records; abstract.

    A view says in `front` which files of `front/` draw it, hands them names and numbers through `show`, and keeps what
    a person has chosen in traits. `figure` is the same picture by `plots`.

    Attributes:
        task: the task picked, -1 for none.
        content: texts and names, in JSON's types; "title" and "tasks" always.
        arrays: numbers by name, `{"shape": …, "data": float32 bytes}`.
        rev: goes up with everything shown.
        alt: `words()` of the state as it is now.
        answers: what the page knows without asking the kernel.
        kernel: whether there is a kernel to ask.
    """

    front: ClassVar[tuple[str, ...]] = ()
    asked: ClassVar[tuple[type[Exception], ...]] = (ValueError, LookupError, TypeError)

    task = traitlets.Int(-1).tag(sync=True)
    content = traitlets.Dict().tag(sync=True)
    arrays = traitlets.Dict().tag(sync=True)
    answers = traitlets.Dict().tag(sync=True)
    rev = traitlets.Int(0).tag(sync=True)
    alt = traitlets.Unicode().tag(sync=True)
    kernel = traitlets.Bool(True).tag(sync=True)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        if "front" in vars(cls):  # not in the classes that anywidget derives to add traits
            cls._esm = module(*cls.front)
            cls._css = stylesheet()
        super().__init_subclass__(**kwargs)

    def __init__(self, *, title: str, tasks: Sequence[str], **state: Any) -> None:
        self._title, self.task_names, self._shown = title, list(tasks), False
        super().__init__(**state)
        self.on_msg(self._hear)

    # What a view has to say

    def figure(self) -> "Figure":
        """The picture as it stands, by `plots`: for paper, and where there is no kernel."""
        raise NotImplementedError

    def words(self) -> str:
        """What is to be seen, in a few plain sentences."""
        raise NotImplementedError

    def answer(self, *question: Any) -> Any:
        """What the front end may ask, answered in JSON's types.

        Raises:
            LookupError: if there is no such question.
        """
        raise LookupError(f"{type(self).__name__} has no answer to {question}")

    def questions(self) -> Iterable[list[Any]]:
        """Those questions whose answers an exported page takes along."""
        return ()

    # What follows from it

    @property
    def alt_text(self) -> str:
        """What is to be seen, in words."""
        return self.words()

    def show(self, content: Mapping[str, Any], arrays: Mapping[str, ArrayLike]) -> None:
        """Hands the front end what to draw: some texts and arrays anew, the others as they are; one message."""
        packed = {name: _packed(values) for name, values in arrays.items()}
        with self.hold_sync():
            self.arrays = {**self.arrays, **packed}
            self.content = {**self.content, **plain(content), "title": self._title, "tasks": self.task_names}
            self.alt = self.words()
            self.rev += 1
        if not self._shown:
            self._shown = True
            self.observe(self._say_again, names=sorted(self._own_traits() - HANDED_OVER))

    def to_html(self, path: str | os.PathLike[str] | None = None) -> str | Path:
        """The view as one page that works offline, without a kernel.

        Args:
            path: the file to write; without one the page is returned.

        Returns:
            The page, or the path of the file that holds it.
        """
        return written(page(self._title, [self.state_of_page()]), path)

    def state_of_page(self) -> tuple[str, tuple[str, ...], dict[str, Any]]:
        """The kind of view, the files that draw it, and its state in JSON's types."""
        own = self._own_traits()
        state = {name: value for name, value in self.get_state().items() if name in own}
        state["arrays"] = {
            name: {"shape": held["shape"], "data": base64.b64encode(held["data"]).decode()}
            for name, held in self.arrays.items()
        }
        state["answers"] = {key(question): plain(self.answer(*question)) for question in self.questions()}
        return type(self).__name__, self.front, state

    def _own_traits(self) -> set[str]:
        """The synchronized traits of views, without those of every widget."""
        common = set(anywidget.AnyWidget.class_trait_names(sync=True))
        return {name for name in self.trait_names(sync=True) if name not in common and not name.startswith("_")}

    def _say_again(self, _: Any) -> None:
        """The words follow what is chosen."""
        self.alt = self.words()

    @traitlets.validate("task")
    def _known_task(self, proposal: Mapping[str, Any]) -> int:
        return one_of(proposal["value"], len(self.task_names), "task")

    def _hear(self, _: Any, message: Any, buffers: Any) -> None:
        """Answers the front end, which must not be left waiting by an error."""
        if isinstance(message, dict) and isinstance(message.get("ask"), list):
            question = message["ask"]
            try:
                self.send({"about": key(question), "answer": plain(self.answer(*question))})
            except self.asked as error:
                self.send({"about": key(question), "error": str(error)})

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """The live view, and a picture and words for those who have no kernel."""
        live = super()._repr_mimebundle_(**kwargs)
        data = dict(live[0] if isinstance(live, tuple) else live or {})
        data["image/png"] = base64.b64encode(png(self.figure())).decode()
        data["text/plain"] = repr(self)
        return data, {"image/png": {"alt": self.alt_text}}

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._title})"


def one_of(i: int, count: int, what: str) -> int:
    """A place in a list, or -1 for none.

    Raises:
        TraitError: if it is neither.
    """
    if not -1 <= i < count:
        raise traitlets.TraitError(f"expected a {what} from 0 to {count - 1}, or -1 for none; got {i}")
    return i


def key(question: Sequence[Any]) -> str:
    """A question as the front end spells it."""
    return json.dumps(list(question), separators=(",", ":"), ensure_ascii=False)


def written(text: str, path: str | os.PathLike[str] | None) -> str | Path:
    """The text itself, or the path of the file it was written into."""
    if path is None:
        return text
    file = Path(path)
    write_atomically(file, text.encode())
    return file


def _packed(values: ArrayLike) -> dict[str, Any]:
    """Numbers as the front end reads them: little-endian, in float32."""
    numbers = np.asarray(values, dtype=np.float64)
    with np.errstate(over="ignore"):  # what is too large for float32 is infinite there
        return {"shape": list(numbers.shape), "data": numbers.astype("<f4").tobytes()}
