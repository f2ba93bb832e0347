"""Views that belong together: a task picked in one is picked in all."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import traitlets

from ._page import page
from ._view import View, written

__all__ = ["Views", "link"]


class Views:
    """Linked views, shown one below the other.

    Attributes:
        views: the views.
    """

    def __init__(self, views: Sequence[View]) -> None:
        self.views = tuple(views)
        first, *others = self.views
        self._links = [traitlets.link((first, "task"), (other, "task")) for other in others]

    @property
    def task(self) -> int:
        """The task picked in all of them, -1 for none."""
        return self.views[0].task

    @task.setter
    def task(self, t: int) -> None:
        for view in self.views:
            view.task = t

    def unlink(self) -> None:
        """Lets each go its own way."""
        for each in self._links:
            each.unlink()
        self._links = []

    def to_html(self, path: str | os.PathLike[str] | None = None) -> str | Path:
        """All views on one page that works offline; while they are linked, a task picked in one is picked in all there.

        Args:
            path: the file to write; without one the page is returned.
        """
        title = " · ".join(dict.fromkeys(view.content["title"] for view in self.views))
        states = [view.state_of_page() for view in self.views]
        return written(page(title, states, linked=bool(self._links)), path)

    def _ipython_display_(self, **kwargs: Any) -> None:
        from IPython.display import display

        for view in self.views:
            display(view)  # type: ignore[no-untyped-call]

    def __repr__(self) -> str:
        return f"Views({', '.join(map(repr, self.views))})"


def link(*views: View) -> Views:
    """Links views of the same tasks: selecting a task in one selects it in all.

    Args:
        views: two or more, of sequences that name the same tasks in the same order.

    Returns:
        The views as one: `display` shows them all, `to_html` writes them on one page.

    Raises:
        TypeError: if something else than a view came.
        ValueError: if there are fewer than two, or their tasks differ.

    Example:
        >>> import numpy as np, cltoolkit as cl
        >>> run = cl.Run(np.array([[0.5, 0.5], [0.9, 0.5], [0.8, 1.0]]))
        >>> one, other = cl.widgets.RunExplorer(run), cl.widgets.RunExplorer(run)
        >>> both = link(one, other)
        >>> one.task = 1
        >>> other.task
        1
    """
    for each in views:
        if not isinstance(each, View):
            raise TypeError(f"expected views, such as RunExplorer(run); got {type(each).__name__}")
    if len(views) < 2:
        raise ValueError(f"expected two views or more to link; got {len(views)}")
    for view in views[1:]:
        if view.task_names != views[0].task_names:
            raise ValueError(
                "expected views of the same tasks in the same order; got "
                f"{views[0].task_names} and {view.task_names}: make both of one sequence"
            )
    return Views(views)
