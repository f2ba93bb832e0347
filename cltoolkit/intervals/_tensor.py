"""A tensor of intervals: every entry a center and a radius, and torch's functions bound by rules."""

import copy
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

import torch
from torch import Tensor

from ._facts import FACTS, HINTS, name_of
from ._rounding import round_down, round_up
from ._table import RULES

__all__ = ["FACTS", "IntervalTensor", "MissingRuleError", "box", "in_place", "name_of"]

SHOWN = 6  # entries that a repr writes out


class MissingRuleError(NotImplementedError):
    """A function met an interval and has no rule that would bound it."""


class IntervalTensor(Tensor):
    """A box ⟨c, r⟩: every tensor whose entries lie in [c − r, c + r].

    Torch functions applied to it look up their rule in one table and return a box that holds their value at every
    point; so any module runs on boxes as it is written. A function without a rule raises and names itself.

    What is known beforehand travels as flags, and no rule ever looks at data: `nonnegative`, that no value meant lies
    below 0 (set by ReLU and its like), chooses exact products; `rigorous`, that rounding is covered too: that of
    the bounds, and that of the same function computed on points in the same precision. A plain tensor beside a box is
    an exact point.

    Functions that change a tensor in place change the box: its center and radius are replaced. Boxes that were made of
    it before (views, in torch's words) keep their values.

    Args:
        center: c, floating point, any shape.
        radius: r ≥ 0, of the same shape, dtype and device.
        nonnegative: whether it is known that no value lies below 0.
        rigorous: whether every rule rounds outward, so that the result holds in real arithmetic.

    Raises:
        TypeError: if center or radius is a box itself.
        ValueError: if shapes, dtypes or devices differ, or a radius is negative or not a number.

    Example:
        >>> box = IntervalTensor(torch.tensor([1.0, -2.0]), torch.tensor([0.5, 0.5]))
        >>> torch.relu(box).upper
        tensor([1.5000, 0.0000])
        >>> box[0]
        IntervalTensor([0.5, 1.5])
    """

    center: Tensor
    radius: Tensor
    nonnegative: bool
    rigorous: bool

    if TYPE_CHECKING:

        def __getitem__(self, index: Any) -> "IntervalTensor": ...

    @staticmethod
    def __new__(
        cls: type["IntervalTensor"],
        center: Tensor,
        radius: Tensor,
        *,
        nonnegative: bool = False,
        rigorous: bool = False,
    ) -> "IntervalTensor":
        _check(center, radius)
        return box(center, radius, nonnegative=nonnegative, rigorous=rigorous)

    def __init__(
        self, center: Tensor, radius: Tensor, *, nonnegative: bool = False, rigorous: bool = False
    ) -> None: ...

    @classmethod
    def from_bounds(
        cls, lower: Tensor, upper: Tensor, *, nonnegative: bool = False, rigorous: bool = False
    ) -> "IntervalTensor":
        """The box [lower, upper], which contains both ends whatever its center was rounded to.

        Args:
            lower: floating point, any shape.
            upper: at least `lower`, of the same shape, dtype and device.
            nonnegative: whether it is known that no value lies below 0.
            rigorous: as in the class.

        Raises:
            ValueError: if shapes, dtypes or devices differ, or an upper end lies below its lower one.

        Example:
            >>> IntervalTensor.from_bounds(torch.tensor([0.0]), torch.tensor([3.0])).center
            tensor([1.5000])
        """
        _check_alike("lower", lower, "upper", upper)
        wrong = ~(lower <= upper)
        if bool(wrong.any()):
            raise ValueError(
                f"expected lower ≤ upper; {int(wrong.sum())} of {wrong.numel()} entries have it the other way round, "
                "or are no number"
            )
        return _around(lower, upper, nonnegative=nonnegative, rigorous=rigorous)

    @property
    def lower(self) -> Tensor:
        """c − r, rounded down if rigorous; not below 0 if nonnegative."""
        lower = self.center - self.radius
        lower = round_down(lower) if self.rigorous else lower
        return lower.clamp(min=0) if self.nonnegative else lower

    @property
    def upper(self) -> Tensor:
        """c + r, rounded up if rigorous."""
        upper = self.center + self.radius
        return round_up(upper) if self.rigorous else upper

    @property
    def width(self) -> Tensor:
        """2 r."""
        return 2 * self.radius

    def holds(self, other: Tensor) -> Tensor:
        """Where a point, or a whole box, lies inside.

        Args:
            other: a tensor or a box that broadcasts with this one.

        Returns:
            Booleans of the broadcast shape.

        Example:
            >>> IntervalTensor(torch.zeros(2), torch.ones(2)).holds(torch.tensor([1.0, 1.5]))
            tensor([ True, False])
        """
        low, high = _ends(other)
        own_low, own_high = _ends(self)
        return (own_low <= low) & (high <= own_high)

    def contains(self, other: Tensor) -> bool:
        """Whether a point, or a whole box, lies inside in every entry; `holds` says where."""
        return bool(self.holds(other).all())

    def intersect(self, other: "IntervalTensor") -> "IntervalTensor":
        """The smallest box around what both boxes hold.

        Raises:
            ValueError: if they have no point in common.

        Example:
            >>> a = IntervalTensor(torch.tensor([0.0]), torch.tensor([1.0]))
            >>> a.intersect(IntervalTensor(torch.tensor([1.5]), torch.tensor([1.0])))
            IntervalTensor([[0.5, 1]])
        """
        (low, high), (other_low, other_high) = _ends(self), _ends(other)
        lower, upper = torch.maximum(low, other_low), torch.minimum(high, other_high)
        gap = lower - upper
        if not bool((gap <= 0).all()):
            raise ValueError(
                f"the boxes have no point in common: {int((~(gap <= 0)).sum())} of {gap.numel()} entries do not meet, "
                f"the widest gap is {gap.max().item():.3g}; `holds` shows where one box lies in another"
            )
        return _around(
            lower,
            upper,
            nonnegative=self.nonnegative or other.nonnegative,
            rigorous=self.rigorous or other.rigorous,
        )

    def hull(self, other: Tensor) -> "IntervalTensor":
        """The smallest box around this one and another box or point.

        Example:
            >>> IntervalTensor(torch.tensor([0.0]), torch.tensor([1.0])).hull(torch.tensor([3.0]))
            IntervalTensor([[-1, 3]])
        """
        (low, high), (other_low, other_high) = _ends(self), _ends(other)
        return _around(
            torch.minimum(low, other_low),
            torch.maximum(high, other_high),
            nonnegative=isinstance(other, IntervalTensor) and self.nonnegative and other.nonnegative,
            rigorous=self.rigorous or (isinstance(other, IntervalTensor) and other.rigorous),
        )

    @classmethod
    def __torch_function__(
        cls, func: Any, types: Sequence[type], args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        if any(not issubclass(cls, kind) for kind in types):  # another kind of set, which knows what a box is to it
            return NotImplemented
        if func in RULES:
            result = RULES[func](*args, **(kwargs or {}))
            changed = args[0] if args and in_place(func, kwargs or {}) else None
            return changed._become(result) if isinstance(changed, IntervalTensor) else result
        if func in FACTS:
            return super().__torch_function__(func, types, args, kwargs)  # type: ignore[no-untyped-call]
        raise MissingRuleError(_missing(func, args, kwargs or {}))

    def _become(self, other: "IntervalTensor") -> "IntervalTensor":
        """Itself, with the values and flags of another box of its shape."""
        if other.center.shape != self.center.shape or other.center.dtype != self.center.dtype:
            raise MissingRuleError(
                f"a box of shape {tuple(self.center.shape)}, {self.center.dtype}, cannot become one of shape "
                f"{tuple(other.center.shape)}, {other.center.dtype}, in place; use the function without its underscore"
            )
        self.center, self.radius = other.center, other.radius
        self.nonnegative, self.rigorous = other.nonnegative, other.rigorous
        return self

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]
        cls, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        raise MissingRuleError(_missing(func, args, kwargs or {}))

    def __iter__(self) -> Iterator[Tensor]:
        return iter(self.unbind(0))

    def __copy__(self) -> "IntervalTensor":
        return box(self.center, self.radius, nonnegative=self.nonnegative, rigorous=self.rigorous)

    def __deepcopy__(self, memo: dict[int, Any]) -> "IntervalTensor":
        center, radius = copy.deepcopy(self.center, memo), copy.deepcopy(self.radius, memo)
        memo[id(self)] = box(center, radius, nonnegative=self.nonnegative, rigorous=self.rigorous)
        return memo[id(self)]

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        raise TypeError("boxes are not pickled; save .center and .radius as tensors, and make the box anew")

    def __repr__(self, *, tensor_contents: Any = None) -> str:  # type: ignore[override]
        known = [name for name in ("nonnegative", "rigorous") if vars(self)[name]]
        dtype = [] if self.dtype == torch.get_default_dtype() else [str(self.dtype).removeprefix("torch.")]
        return f"IntervalTensor({', '.join([_contents(self), *dtype, *known])})"


def box(center: Tensor, radius: Tensor, *, nonnegative: bool = False, rigorous: bool = False) -> IntervalTensor:
    """An `IntervalTensor` without looking at its values: for rules, whose radii are ≥ 0 by construction."""
    made = Tensor._make_wrapper_subclass(IntervalTensor, center.shape, dtype=center.dtype, device=center.device)
    made.center, made.radius, made.nonnegative, made.rigorous = center, radius, nonnegative, rigorous
    return made


def _missing(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> str:
    """What was called on what, and what can be done about it."""
    operands = ", ".join(_operand(value) for value in (*args, *kwargs.values()) if isinstance(value, Tensor))
    called = f"no rule bounds {name_of(func)} on boxes; called on {operands or 'a list of them'}"
    return f"{called}: {HINTS.get(func, _HOW)}"


_HOW = (
    "write a function of boxes that returns a box around every value, and enter it with "
    "@cltoolkit.intervals.rule(...the torch function...), or use a function that has a rule"
)


def _operand(value: Tensor) -> str:
    return f"{'box' if isinstance(value, IntervalTensor) else 'tensor'} {tuple(value.shape)}"


def _ends(value: Tensor) -> tuple[Tensor, Tensor]:
    """c − r and c + r, rounded to nearest: no number of this precision lies between them and the real ends."""
    if not isinstance(value, IntervalTensor):
        return value, value
    return value.center - value.radius, value.center + value.radius


def _around(lower: Tensor, upper: Tensor, *, nonnegative: bool, rigorous: bool) -> IntervalTensor:
    """The box around two ends: c − r ≤ lower and upper ≤ c + r in real numbers, and as computed."""
    center = lower + (upper - lower) / 2  # lower itself where the ends are one
    radius = torch.maximum(_above(upper, center), _above(center, lower))
    return box(center, radius, nonnegative=nonnegative, rigorous=rigorous)


def _above(a: Tensor, b: Tensor) -> Tensor:
    """a − b, rounded up where it is not a number of this precision (Knuth's exact error of a difference tells)."""
    difference = a - b
    back = difference - a
    error = (a - (difference - back)) - (b + back)
    return torch.where(error > 0, round_up(difference), difference)


def _contents(value: IntervalTensor) -> str:
    """Its intervals if they are few, or else its shape and how wide it is."""
    shape = f"{tuple(value.shape)}"
    if value.is_meta or torch._C._functorch.is_functorch_wrapped_tensor(value.center):
        return f"shape={shape}"
    low, high = (end.detach().double().cpu() for end in _ends(value))
    if value.numel() <= SHOWN:
        return _listed(torch.stack([low, high], -1).tolist())
    width = value.width.detach()
    spread = ", ".join(f"{w.item():.3g}" for w in (width.min(), width.median(), width.max()))
    return f"shape={shape}, min, median and max width {spread}"


def _listed(entries: Any) -> str:
    """Nested lists of numbers, four digits each."""
    return f"[{', '.join(map(_listed, entries))}]" if isinstance(entries, list) else f"{entries:.4g}"


def in_place(func: Any, kwargs: Mapping[str, Any]) -> bool:
    """Whether a torch function changes its first argument: by its name, or as it was asked to."""
    name = str(func.__name__)
    return bool(kwargs.get("inplace")) or (name.endswith("_") and not name.endswith("__"))


def _check(center: Tensor, radius: Tensor) -> None:
    _check_alike("center", center, "radius", radius)
    if not bool((radius >= 0).all()):
        raise ValueError("expected radii of at least 0; got a negative one, or NaN")


def _check_alike(first: str, a: Tensor, second: str, b: Tensor) -> None:
    if isinstance(a, IntervalTensor) or isinstance(b, IntervalTensor):
        raise TypeError(f"expected plain tensors as {first} and {second}; got a box")
    if (a.shape, a.dtype, a.device) != (b.shape, b.dtype, b.device) or not a.is_floating_point():
        raise ValueError(
            f"expected {first} and {second} of one shape, floating dtype and device; got {tuple(a.shape)} {a.dtype} "
            f"{a.device} and {tuple(b.shape)} {b.dtype} {b.device}"
        )
