"""Tasks on a map to touch: by embedding, transferability or generated weights, moment by moment."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import traitlets
from numpy.typing import ArrayLike

from .. import embeddings as em
from .. import plots
from ..learners import Learner
from ..records import Run
from ..transferability import TransferMatrix
from ._task_boxes import Boxes
from ._task_places import (
    MANY,
    Array,
    ByEmbedding,
    by_embedding,
    by_others,
    spread,
)
from ._task_words import VERDICTS, WORST, extremes, nearest, trust
from ._view import View, key

if TYPE_CHECKING:
    from ..plots import Figure

__all__ = ["TaskMap"]

ROOM = {"pca": 8_000_000, "mds": 200_000}  # moments × tasks² of the maps that an exported page takes along
SIZE = (5.2, 4.2)  # inches, of a still picture


class TaskMap(View):
    """Tasks as points: where they lie by embeddings, transferability or weights, and how far the map can be trusted.

    A slider goes through training. Maps by embedding lie on each other, and trails show where points came from; two
    dimensions of the embeddings, with the intervals around them, are true rectangles. A click, or Enter, picks a task.

    Args:
        run: a run; its series "embeddings" and "half_widths" are read.
        transfer: scores of its tasks for each other: one matrix, or several by name.
        learner: the run's learner, for the distances between its tasks' weights, where it has weights for each.

    Attributes:
        by: "embedding", "dimensions" (two of the embedding's own), "weights", or "transfer" ("transfer:NAME" for that
            of a name); `ways` has those there are.
        method: "mds", where distances are as true as can be, a map for each moment; or "pca", one plane for all
            moments, in which what moves has moved. "mds" at first, of more than 40 tasks "pca".
        moment: after how many tasks, from 1 on.
        x: the dimension drawn sideways, if by "dimensions".
        y: the one drawn upward.
        near: whether the view is of the picked task's box alone.

    Raises:
        ValueError: if no task is learned, or there is nothing to place tasks by, or scores or learner are of others.

    References:
        Kruskal, Multidimensional scaling by optimizing goodness of fit to a nonmetric hypothesis, Psychometrika 1964.

    Example:
        >>> import numpy as np, cltoolkit as cl
        >>> after = np.array([[[0.0, 0.0], [np.nan, np.nan]], [[0.0, 0.0], [3.0, 4.0]]])
        >>> run = cl.Run(np.array([[0.5, 0.5], [0.9, 0.5], [0.8, 1.0]]), series={"embeddings": after})
        >>> view = cl.widgets.TaskMap(run)
        >>> view.ways
        ['embedding', 'dimensions']
        >>> view.moment = 2
        >>> print(view.alt_text)
        Tasks by embedding after 2 of 2 tasks, MDS: stress 0.000 (excellent). Closest are 0 and 1, 5 apart. ...
    """

    front: ClassVar[tuple[str, ...]] = ("task_map",)

    by = traitlets.Unicode("").tag(sync=True)
    method = traitlets.Unicode("mds").tag(sync=True)
    moment = traitlets.Int(1).tag(sync=True)
    x = traitlets.Int(0).tag(sync=True)
    y = traitlets.Int(1).tag(sync=True)
    near = traitlets.Bool(False).tag(sync=True)

    def __init__(
        self,
        run: Run,
        *,
        transfer: TransferMatrix | Mapping[str, TransferMatrix] | None = None,
        learner: Learner | None = None,
    ) -> None:
        if not run.num_tasks:
            raise ValueError(f"expected a run that has learned a task; {run.name} has learned none: train it first")
        self.run, self.learned = run, run.num_tasks
        self.embedded = by_embedding(run)
        self.boxes = None if self.embedded is None else Boxes.of(run, self.embedded)
        self.fixed, labels = by_others(run, transfer, learner)
        self._labels = _own_labels(self.embedded, self.boxes) | labels
        if not self._labels:
            same = "" if learner is None else f", and {learner.name} answers all tasks with the same weights"
            raise ValueError(
                f"{run.name} has nothing to place tasks by: it has no series 'embeddings', which HyperNet, HEmbedding "
                f"and HyperInterval keep{same}. Give `transfer=`, a matrix of these tasks from `transfer_matrix`, or "
                "`learner=`, one with weights for each task"
            )
        many = self.embedded is not None and self.embedded.moments > MANY
        state = {"by": self.ways[0], "moment": self.learned, "method": "pca" if many else "mds"}
        super().__init__(title=f"{run.name}, seed {run.seed}", tasks=run.task_names, **state)
        if not many and self.learned <= MANY:
            self.answers = {key(question): self.answer(*question) for question in self.questions()}
        self.show(self._texts(), self._numbers())

    @property
    def ways(self) -> list[str]:
        """What `by` can be."""
        return list(self._labels)

    @property
    def taskmap(self) -> em.TaskMap:
        """The map as it is now: points, true distances and stress."""
        return self._map(self.by, self.method, self.moment)

    def figure(self) -> "Figure":
        """The map and the paths that led to it; of distances alone, how far to trust it; of dimensions, the boxes."""
        if self.by == "dimensions":
            return self._figure_of_dimensions()
        found = self.taskmap
        panels = [lambda ax: plots.task_map(found, ax=ax)]
        path = self._path()
        if len(path) > 1:
            panels.append(lambda ax: plots.embedding_trajectories(path, names=self.task_names, ax=ax))
        elif self.by in self.fixed:
            panels.append(lambda ax: plots.shepard(found, ax=ax))
        return plots.sheet(panels, size=SIZE)

    def words(self) -> str:
        """The map's stress, the closest and farthest tasks, what has moved, and the task picked."""
        found = self.taskmap
        text = self._said(self.by, found, self.moment)
        if self.task < 0:
            return text
        near = nearest(found, self.task) if self.task < len(found.names) else ", not learned by then"
        return f"{text} Picked is {self.task_names[self.task]}{near}."

    def answer(self, *question: Any) -> Any:
        """`"map", by, method, moment`: points, stress, share of variance, a note on what moves, and all in words."""
        if len(question) != 4 or question[0] != "map" or question[1] not in self._labels:
            raise LookupError(f"{type(self).__name__} has no answer to {question}")
        _, by, method, t = question
        found = self._map(by, method, t)
        points = [[float(f"{value:.6g}") for value in point] for point in found.points]
        note = "" if by in self.fixed else self._moves(method, t)
        told = {"points": points, "stress": found.stress, "variance": found.variance}
        return told | {"note": note, "words": self._said(by, found, t)}

    def questions(self) -> Iterable[list[Any]]:
        """All maps of few tasks; of many, those that a page has room and time for."""
        for by in self.fixed:
            yield ["map", by, "mds", 0]
        for method, moments in self._taken().items():
            yield from (["map", "embedding", method, t] for t in moments)

    def _say_again(self, change: Any) -> None:
        """The words follow what is chosen, but for a map that takes its time: that is made when it is asked for."""
        if self.by != "embedding" or self.embedded is None or self.embedded.made(self.method, self.moment):
            super()._say_again(change)

    # What a person may set

    @traitlets.validate("by")
    def _known_way(self, proposal: Mapping[str, Any]) -> str:
        way = str(proposal["value"])
        first = next((each for each in self.ways if each.partition(":")[0] == way), way)
        return _out_of("by", first, self.ways)

    @traitlets.validate("method")
    def _known_method(self, proposal: Mapping[str, Any]) -> str:
        return _out_of("method", str(proposal["value"]), ByEmbedding.methods)

    @traitlets.validate("moment")
    def _known_moment(self, proposal: Mapping[str, Any]) -> int:
        return _within("moment", proposal["value"], 1, self.learned)

    @traitlets.validate("x", "y")
    def _known_dimension(self, proposal: Mapping[str, Any]) -> int:
        return _within(proposal["trait"].name, proposal["value"], 0, max(self._dim, 2) - 1)

    # What there is to show

    def _figure_of_dimensions(self) -> "Figure":
        found, x, y = self.taskmap, self.x, self.y
        panels = [lambda ax: plots.task_map(found, ax=ax)] if self.boxes is None else self._panels_of(self.boxes)
        figure = plots.sheet(panels, size=SIZE)
        ax = figure.axes[0]
        ax.set(xlabel=f"embedding dimension {x}", ylabel=f"embedding dimension {y}")
        ax.set_title(f"after {len(found.names)} of {self.run.T} tasks\n{trust(found)}", fontsize=10)
        if self.boxes is not None and self.near and 0 <= self.task < len(found.names):
            (left, right), (low, high) = self.boxes.ends(len(found.names))[self.task][[x, y]]
            ax.set(xlim=_wider(left, right), ylim=_wider(low, high))
            ax.locator_params(nbins=4)  # close up, numbers are long
        return figure

    def _panels_of(self, boxes: Boxes) -> list[Callable[[Any], Any]]:
        run, t, pair = self.run, min(self.moment, len(boxes.centers)), (self.x, self.y)
        return [
            lambda ax: plots.nested_boxes(boxes.ends(t), weights=pair, names=run.task_names[:t], ax=ax),
            lambda ax: plots.intervals(run, after=t, coordinates=list(dict.fromkeys(pair)), ax=ax),
        ]

    @property
    def _dim(self) -> int:
        return 0 if self.embedded is None else self.embedded.times[0].shape[1]

    def _map(self, by: str, method: str, moment: int) -> em.TaskMap:
        if by in self.fixed:
            return self.fixed[by].all
        if self.embedded is None:
            raise LookupError(f"{self.run.name} has no embeddings")
        t = _within("moment", min(moment, self.embedded.moments), 1, self.embedded.moments)
        if by == "dimensions":
            return self.embedded.dimensions(self.x, self.y, t)
        return self.embedded.map(_out_of("method", method, ByEmbedding.methods), t)

    def _taken(self) -> dict[str, list[int]]:
        """Moments of each method that a page takes along."""
        if self.embedded is None:
            return {}
        n = self.embedded.moments
        return {method: spread(n, room // n**2) for method, room in ROOM.items()}

    def _path(self) -> list[Array]:
        """The maps up to this one; of many, those that a page takes along."""
        if self.embedded is None or self.by != "embedding":
            return []
        t = min(self.moment, self.embedded.moments)
        return self.embedded.path(self.method, sorted({s for s in self._taken()[self.method] if s < t} | {t}))

    def _texts(self) -> dict[str, Any]:
        ways = [{"key": by, "label": label, "fixed": by in self.fixed} for by, label in self._labels.items()]
        moments = 0 if self.embedded is None else self.embedded.moments
        shared = [] if self.boxes is None else [self.boxes.said(t) for t in range(1, moments + 1)]
        return {
            "ways": ways,
            "learned": self.learned,
            "moments": moments,
            "dim": self._dim,
            "taken": self._taken(),
            "verdicts": [*map(list, VERDICTS), [None, WORST]],
            "shared": shared,
        }

    def _numbers(self) -> dict[str, ArrayLike]:
        arrays: dict[str, ArrayLike] = {"accuracy": self.run.accuracy[: self.learned + 1]}
        arrays |= {f"distances/{by}": places.distances for by, places in self.fixed.items()}
        if self.embedded is not None:
            arrays["embeddings"] = _stacked(self.embedded.times)
        if self.boxes is not None:
            arrays |= {"half_widths": _stacked(self.boxes.halves), "common": self.boxes.common}
            arrays["universal"] = self.boxes.universal
        return arrays

    def _said(self, by: str, found: em.TaskMap, moment: int) -> str:
        how = f"dimensions {self.x} and {self.y}" if by == "dimensions" else found.method.upper()
        way = "embedding" if by == "dimensions" else self._labels[by][0].lower() + self._labels[by][1:]
        when = f" after {moment} of {self.run.T} tasks" if by not in self.fixed else f" of {len(found.names)} tasks"
        parts = [f"Tasks by {way}{when}, {how}: {trust(found)}.", extremes(found)]
        if by not in self.fixed:
            parts.append(self._moves(found.method, moment))
        if by == "dimensions" and self.boxes is not None:
            parts.append(self.boxes.said(min(moment, len(self.boxes.centers))))
        return " ".join(filter(None, parts))

    def _moves(self, method: str, moment: int) -> str:
        """Which embedding went farthest: a map can move where no task does."""
        if self.embedded is None or moment < 2:
            return ""
        gone = self.embedded.moved[min(moment, self.embedded.moments) - 1]
        if not gone.any():
            room = ": what moves is the map, which makes room" if method == "mds" else ""
            return f"No embedding has moved since its task was learned{room}."
        far = int(gone.argmax())
        return f"The embedding that has moved farthest is that of {self.task_names[far]}, {gone[far]:.3g} in all."


def _own_labels(embedded: ByEmbedding | None, boxes: Boxes | None) -> dict[str, str]:
    if embedded is None:
        return {}
    if embedded.times[0].shape[1] < 2:
        return {"embedding": "Embedding"}
    return {"embedding": "Embedding", "dimensions": "Dimensions" if boxes is None else "Dimensions and intervals"}


def _stacked(times: Sequence[Array]) -> Array:
    """`(n, T, d)`, NaN for tasks to come; `(1, T, d)` where what was once known never changed."""
    last = times[-1]
    if all(np.array_equal(rows, last[: len(rows)]) for rows in times):
        return last[None]
    return np.stack([np.pad(rows, ((0, len(last) - len(rows)), (0, 0)), constant_values=np.nan) for rows in times])


def _wider(low: float, high: float) -> tuple[float, float]:
    gap = 0.25 * (high - low) or 1e-6
    return low - gap, high + gap


def _out_of(name: str, value: str, choices: Sequence[str]) -> str:
    if value not in choices:
        raise traitlets.TraitError(f"expected {name} out of {', '.join(choices)}; got {value!r}")
    return value


def _within(name: str, value: Any, low: int, high: int) -> int:
    if not low <= int(value) <= high:
        raise traitlets.TraitError(f"expected {name} from {low} to {high}; got {value}")
    return int(value)
