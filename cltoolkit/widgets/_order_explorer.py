"""Orders of tasks to touch: what transfer predicts of each, and what training says."""

import contextlib
import threading
import traceback
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
import traitlets

from .. import plots
from ..orders import OrderRuns, Orders
from ._live import is_live
from ._view import View
from ._words import number

if TYPE_CHECKING:
    import pandas as pd

    from ..plots import Figure

__all__ = ["OrderExplorer"]

Order = tuple[int, ...]
OUTCOMES: tuple[Literal["learned", "final"], ...] = ("learned", "final")
LINE = 60  # characters under a picture
EQUAL = 1e-6  # of the span of values: what counts as the same
RULES = {"best": "the most helpful earlier task", "mean": "all earlier tasks, on average", "last": "the task before it"}


class OrderExplorer(View):
    """Tasks to be put in order: the value predicted of it, what each task draws on, and what training says.

    The view does not train. Where `train` is given, the button "Run it" and `start` call it with the order as it
    stands, in a thread where somebody watches, and add its runs to what is measured. What goes wrong in it is shown,
    and what was measured before is kept.

    Args:
        orders: the prediction, from `orders.predict_orders`.
        measured: runs of the same tasks in some orders, from `orders.run_orders`.
        train: from an order of task numbers, those of `orders.names`, to its runs; typically
            `lambda order: run_orders(make, sequence, [order], epochs=5, progress=False)`.

    Attributes:
        order: the tasks in order, by number; at first as given.
        outcome: what of the runs is compared: "learned", the average accuracy of tasks when they were learned, of
            which predictions speak; or "final", that at the end, in which forgetting counts too.
        measured: all runs, tasks numbered as in `orders`; None before there are any.
        training: the order that is being trained, empty if none is.
        problem: the traceback of what went wrong in training last; empty if nothing did.

    Raises:
        ValueError: if the runs are of other tasks.

    Example:
        >>> from cltoolkit.orders import predict_orders
        >>> from cltoolkit.transferability import TransferMatrix
        >>> matrix = TransferMatrix([[1, 0.5, 0], [0.1, 1, 0.7], [0, 0.2, 1]], "gain", ("a", "b", "c"), ("a", "b", "c"))
        >>> view = OrderExplorer(predict_orders(matrix, rule="last"))
        >>> view.order, round(view.value, 3)
        ([0, 1, 2], 0.6)
        >>> view.order = [2, 1, 0]
        >>> view
        OrderExplorer(3 tasks, all 6 orders, rule last)
    """

    front: ClassVar[tuple[str, ...]] = ("scatter", "order_explorer")
    asked: ClassVar[tuple[type[Exception], ...]] = (*View.asked, RuntimeError)

    order = traitlets.List(traitlets.Int()).tag(sync=True)
    outcome = traitlets.Enum(OUTCOMES, "learned").tag(sync=True)
    training = traitlets.List(traitlets.Int()).tag(sync=True)
    problem = traitlets.Unicode("").tag(sync=True)

    def __init__(
        self,
        orders: Orders,
        measured: OrderRuns | None = None,
        *,
        train: Callable[[Order], OrderRuns] | None = None,
    ) -> None:
        self.orders = orders
        self.measured: OrderRuns | None = None
        self._train = train
        self._sorted = np.sort(orders.values)
        self._frames: dict[str, pd.DataFrame] = {}
        self._thread: threading.Thread | None = None
        self._claim = threading.Lock()
        if measured is not None:
            self._take(measured)
        K, T = orders.orders.shape
        title = f"{T} tasks, {'all' if orders.complete else 'some'} {K} orders, rule {orders.rule}"
        super().__init__(title=title, tasks=orders.names, order=list(range(T)))
        self.show(self._texts() | self._measured_texts(), self._numbers() | self._measured_numbers())

    @property
    def value(self) -> float:
        """The value predicted of the order as it stands."""
        return self.orders.value_of(self.order)

    # Training

    def start(self) -> None:
        """Trains the order as it stands: in a thread where somebody watches, else to the end, as `measure`.

        Raises:
            ValueError: if there is nothing to train with.
            RuntimeError: if an order is being trained already.
        """
        if is_live():
            self._begin()
        else:
            self.measure()

    def measure(self) -> OrderRuns | None:
        """Trains the order as it stands, here and now. What goes wrong is shown, and raised.

        Returns:
            All runs so far.

        Raises:
            ValueError: if there is nothing to train with.
            RuntimeError: if an order is being trained already.
        """
        self._work(*self._claimed())
        return self.measured

    def wait(self, seconds: float | None = None) -> bool:
        """Waits until training has ended, or so many seconds; whether it has."""
        if self._thread is not None:
            self._thread.join(seconds)
        return self._thread is None or not self._thread.is_alive()

    def answer(self, *question: Any) -> Any:
        """To ["start"]: begins to train the order as it stands."""
        if question != ("start",):
            return super().answer(*question)
        self._begin()
        return "started"

    def _begin(self) -> None:
        """Trains in a thread. Its errors are shown: nobody would see them raised."""
        train, order = self._claimed()

        def work() -> None:
            with contextlib.suppress(Exception):
                self._work(train, order)

        self._thread = threading.Thread(target=work, name="orders", daemon=True)
        self._thread.start()

    def _claimed(self) -> tuple[Callable[[Order], OrderRuns], Order]:
        """The function and the order, for one training at a time."""
        if self._train is None:
            raise ValueError(
                "expected something to train with; give OrderExplorer(orders, "
                "train=lambda order: cl.orders.run_orders(make, sequence, [order], epochs=5))"
            )
        if not self._claim.acquire(blocking=False):
            raise RuntimeError(f"{self._named(self.training)} is being trained; wait() until that has ended")
        self.problem, self.training = "", list(self.order)
        return self._train, tuple(self.order)

    def _work(self, train: Callable[[Order], OrderRuns], order: Order) -> None:
        """Trains and takes the runs in; leaves everything as it was if that fails."""
        try:
            found = train(order)
            if not isinstance(found, OrderRuns):
                raise TypeError(f"expected `train` to return an OrderRuns, as run_orders does; got {found!r}")
            if not found.runs:
                raise RuntimeError("no run was finished, so nothing is added")
            self._take(found)
            self.show(self._measured_texts(), self._measured_numbers())
        except BaseException:
            self.problem = traceback.format_exc()
            raise
        finally:
            self.training = []
            self._claim.release()

    def _take(self, found: OrderRuns) -> None:
        """Adds runs, their tasks numbered as in the prediction."""
        if not found.runs:
            return
        found.compare(self.orders)  # raises if tasks are others
        number = [self.orders.names.index(name) for name in found.names]
        runs = {(tuple(number[t] for t in order), seed): run for (order, seed), run in found.runs.items()}
        known = () if self.measured is None else self.measured.runs.items()
        together = OrderRuns(dict(known) | runs, self.orders.names)
        self._frames = {outcome: together.compare(self.orders, measure=outcome) for outcome in OUTCOMES}
        self.measured = together

    # What is shown

    def figure(self) -> "Figure":
        """All orders with the one that stands, and predicted against measured."""
        panels = [self._among_all]
        if self._frames:
            panels.append(lambda ax: plots.orders_measured(self._frames[self.outcome], ax=ax))
        return plots.sheet(panels, size=(5.2, 4.2))

    def words(self) -> str:
        """The order, its value, where it stands, what tasks draw on, and what was measured."""
        values, own = self.orders.values, self._row(self.order)
        extremes = [(what, int(find(values))) for what, find in (("best", np.argmax), ("worst", np.argmin))]
        said = [f"{what} {values[k]:.3g}, {self._named(self.orders.orders[k])}" for what, k in extremes]
        kind = "all" if self.orders.complete else "some"
        parts = [
            f"Order {self._named(self.order)}: predicted value {self.value:.3g}, {self._standing()}.",
            f"Of {kind} {len(values)} orders, {'; '.join(said)}.",
            f"A task draws on {RULES[self.orders.rule]}.",
        ]
        if self._frames:
            frame = self._frames[self.outcome]
            rho = frame.attrs["spearman"]
            count = f"{len(frame)} order{'s' * (len(frame) > 1)} trained"
            parts.append(f"{count}; Spearman's ρ of prediction and outcome {number(rho, '+z.2f')}.")
        if own is not None:
            parts.append(f"This order measured {own['measured']:.3f} ({self.outcome}).")
        return " ".join(parts)

    def _standing(self) -> str:
        """How many orders it is better than."""
        slack = EQUAL * (self._sorted[-1] - self._sorted[0] or 1.0)
        below = int(np.searchsorted(self._sorted, self.value - slack))
        return f"better than {100 * below // len(self._sorted)} % of them"

    def _among_all(self, ax: Any) -> Any:
        """The plot of all orders, and a line where this one stands."""
        plots.orders(self.orders, ax=ax)
        ax.axvline(self.value, color="black", linewidth=2.2, zorder=4)
        ax.set_xlabel(f"{ax.get_xlabel()}\nthick line: {self._brief()}, {self.value:.3g}")
        return ax

    def _brief(self) -> str:
        """The order in a line: by name, by number, or not at all."""
        ways = self._named(self.order), " ".join(map(str, self.order)), "the order as it stands"
        return next(text for text in ways if len(text) <= LINE or text == ways[-1])

    def _row(self, order: Sequence[int]) -> dict[str, Any] | None:
        """What was measured of an order."""
        if not self._frames:
            return None
        rows = self._frames[self.outcome].to_dict("records")
        return next((row for row in rows if row["order"] == tuple(order)), None)

    def _named(self, order: Sequence[int]) -> str:
        return " → ".join(self.task_names[t] for t in order)

    def _texts(self) -> dict[str, Any]:
        """What does not change: the rule, and orders of note."""
        orders, values = self.orders.orders, self.orders.values
        notable = {"best": orders[int(values.argmax())], "worst": orders[int(values.argmin())]}
        return {
            "rule": self.orders.rule,
            "rule_words": RULES[self.orders.rule],
            "complete": self.orders.complete,
            "notable": {what: order.tolist() for what, order in notable.items()},
            "trains": self._train is not None,
        }

    def _numbers(self) -> dict[str, np.ndarray]:
        return {"scores": self.orders.scores, "values": self._sorted}

    def _measured_texts(self) -> dict[str, Any]:
        """Measured orders and the rank correlations, by outcome."""
        frames = self._frames.items()
        kinds = ("spearman", "weighted_kendall")
        return {
            "measured": {outcome: [list(order) for order in frame["order"]] for outcome, frame in frames},
            "correlations": {outcome: {kind: _known(frame.attrs[kind]) for kind in kinds} for outcome, frame in frames},
        }

    def _measured_numbers(self) -> dict[str, np.ndarray]:
        """By outcome `(n, 4)`: predicted, measured, and the interval over seeds."""
        columns = ["predicted", "measured", "low", "high"]
        return {outcome: frame[columns].to_numpy(dtype=float) for outcome, frame in self._frames.items()}

    @traitlets.validate("order")
    def _permutation(self, proposal: Mapping[str, Any]) -> list[int]:
        order, count = [int(t) for t in proposal["value"]], len(self.orders.names)
        if sorted(order) != list(range(count)):
            raise traitlets.TraitError(f"expected each task from 0 to {count - 1} once, in any order; got {order}")
        return order

    def __repr__(self) -> str:
        return f"OrderExplorer({self._title})"


def _known(x: float) -> float | None:
    return float(x) if np.isfinite(x) else None
