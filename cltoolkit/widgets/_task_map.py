"""Tasks on a map to touch: by embedding, transferability or generated weights, moment by moment."""

from collections.abc import Iterable, Mapping, Sequence
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
    VERDICTS,
    WORST,
    Array,
    ByDistances,
    ByEmbedding,
    by_transfer,
    by_weights,
    spread,
    trust,
)
from ._view import View, key

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from ..plots import Figure

__all__ = ["TaskMap"]

ROOM = {"pca": 8_000_000, "mds": 200_000}  # moments × tasks² of the maps that an exported page takes along
FEWEST = 5  # moments of them, whatever it takes


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
        self.embedded = _embedded(run)
        self.boxes = None if self.embedded is None else Boxes.of(run, self.embedded)
        self.fixed, labels = _fixed(run, transfer, learner)
        self._labels = _own_labels(self.embedded, self.boxes) | labels
        if not self._labels:
            raise ValueError(
                f"{run.name} has nothing to place tasks by: it has no series 'embeddings', which HyperNet, HEmbedding "
                "and HyperInterval keep. Give `transfer=`, a matrix of these tasks from `transfer_matrix`, or "
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
            return self._figure_of_boxes() if self.boxes else plots.sheet([self._dimensions_on])
        found = self.taskmap
        panels = [lambda ax: plots.task_map(found, ax=ax)]
        path = self._path()
        if len(path) > 1:
            panels.append(lambda ax: plots.embedding_trajectories(path, names=self.task_names, ax=ax))
        elif self.by in self.fixed:
            panels.append(lambda ax: plots.shepard(found, ax=ax))
        return plots.sheet(panels, size=(5.2, 4.2))

    def words(self) -> str:
        """The map's stress, the closest and farthest tasks, what has moved, and the task picked."""
        found = self.taskmap
        text = self._said(self.by, found, self.moment)
        if self.task < 0:
            return text
        near = _nearest(found, self.task) if self.task < len(found.names) else ", not learned by then"
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
        return {method: spread(n, max(FEWEST, room // n**2)) for method, room in ROOM.items()}

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
        parts = [f"Tasks by {way}{when}, {how}: {trust(found)}.", _extremes(found)]
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

    # Still pictures of dimensions

    def _figure_of_boxes(self) -> "Figure":
        t = min(self.moment, len(self.boxes.centers) if self.boxes else 1)
        run, chosen = self.run, list(dict.fromkeys([self.x, self.y]))
        panels = [self._boxes_on, lambda ax: plots.intervals(run, after=t, coordinates=chosen, ax=ax)]
        return plots.sheet(panels, size=(5.2, 4.2))

    def _boxes_on(self, ax: "Axes") -> "Axes":
        boxes: Any = self.boxes
        t = min(self.moment, len(boxes.centers))
        plots.nested_boxes(boxes.ends(t), weights=(self.x, self.y), names=self.task_names[:t], ax=ax)
        if self.near and 0 <= self.task < t:
            (left, right), (low, high) = boxes.ends(t)[self.task][[self.x, self.y]]
            ax.set(xlim=_wider(left, right), ylim=_wider(low, high))
        ax.set(xlabel=f"embedding dimension {self.x}", ylabel=f"embedding dimension {self.y}")
        ax.set_title(f"after {t} of {self.run.T} tasks\n{trust(self.taskmap)}", fontsize=10)
        return ax

    def _dimensions_on(self, ax: "Axes") -> "Axes":
        plots.task_map(self.taskmap, ax=ax)
        ax.set(xlabel=f"embedding dimension {self.x}", ylabel=f"embedding dimension {self.y}")
        return ax


def _embedded(run: Run) -> ByEmbedding | None:
    if "embeddings" not in run.series:
        return None
    places = ByEmbedding(run)
    return places if places.moments else None


def _fixed(
    run: Run, transfer: TransferMatrix | Mapping[str, TransferMatrix] | None, learner: Learner | None
) -> tuple[dict[str, ByDistances], dict[str, str]]:
    """What training leaves as it is, and what to call it."""
    if transfer is None:
        given = {}
    elif isinstance(transfer, TransferMatrix):
        given = {"transfer": transfer}
    else:
        given = {f"transfer:{name}": matrix for name, matrix in transfer.items()}
    found, labels = {}, {}
    for by, matrix in given.items():
        found[by], labels[by] = by_transfer(matrix, run.task_names), f"Transfer, {matrix.label}"
    weights = None if learner is None else by_weights(learner, run.task_names)
    if weights is not None:
        found["weights"], labels["weights"] = weights, "Weights"
    return found, labels


def _own_labels(embedded: ByEmbedding | None, boxes: Boxes | None) -> dict[str, str]:
    if embedded is None:
        return {}
    if embedded.times[0].shape[1] < 2:
        return {"embedding": "Embedding"}
    return {"embedding": "Embedding", "dimensions": "Dimensions" if boxes is None else "Dimensions and intervals"}


def _extremes(found: em.TaskMap) -> str:
    n = len(found.names)
    if n < 2:
        return ""
    s, t = np.triu_indices(n, 1)
    pairs = found.distances[s, t]
    near, far = int(pairs.argmin()), int(pairs.argmax())
    closest = f"Closest are {found.names[s[near]]} and {found.names[t[near]]}, {pairs[near]:.3g} apart"
    if n == 2:
        return f"{closest}."
    return f"{closest}; farthest are {found.names[s[far]]} and {found.names[t[far]]}, {pairs[far]:.3g} apart."


def _nearest(found: em.TaskMap, task: int) -> str:
    if len(found.names) < 2:
        return ""
    away = found.distances[task].copy()
    away[task] = np.inf
    return f"; nearest to it is {found.names[int(away.argmin())]}, {away.min():.3g} away"


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
