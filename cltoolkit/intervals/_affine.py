"""A tensor that knows what it depends on: an affine function of shared noise, beside the box that bounds it."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ._rounding import gamma, round_up
from ._table import RULES, Rule
from ._tensor import FACTS, IntervalTensor, MissingRuleError, box, in_place, name_of

__all__ = [
    "AFFINE_RULES",
    "AffineTensor",
    "Form",
    "affine_embedding",
    "affine_rule",
    "box_of",
    "ends",
    "form_of",
    "is_rigorous",
]

AFFINE_RULES: dict[Callable[..., Any], Rule] = {}


class Form(NamedTuple):
    """c + Σ_k G_k ξ_k + r ζ: center `(*shape)`, generators `(d, *shape)`, private radius `(*shape)`."""

    center: Tensor
    generators: Tensor
    radius: Tensor

    @property
    def spread(self) -> Tensor:
        """Σ_k |G_k|, how far the shared noise can move each entry."""
        return self.generators.abs().sum(0)

    @property
    def reach(self) -> Tensor:
        """|c| + Σ_k |G_k| + r, which no |x| exceeds."""
        return self.center.abs() + self.spread + self.radius

    def rounded(self, size: Tensor, operations: int) -> "Form":
        """The form with a radius that covers rounding: γ_n `size`, and what rounding took from the radius itself."""
        share = gamma(operations, self.center.dtype)
        tiny = torch.finfo(self.center.dtype).tiny  # more than all products lose that are too small to be represented
        return self._replace(radius=(self.radius + share * size + tiny) * (1 + share))


class AffineTensor(Tensor):
    """The set {c + Σ_k G_k ξ_k + diag(r) ζ : ξ ∈ [−1, 1]^d, ζ ∈ [−1, 1]^shape}, a zonotope, within a box.

    The noise ξ is shared by all tensors of one computation, so what two of them owe to it cancels when they are
    subtracted, where boxes would add up; ζ is each entry's own. So a network of weights h(e) on a box of embeddings e
    is bounded over the weights that some e in the box makes, and not over all those in the smallest box around them.

    It works as `IntervalTensor` does, with a table of its own, `AFFINE_RULES`. Every function is applied to the box as
    well, and the box of the result is the intersection of both bounds: it is never wider than that of interval
    arithmetic. A function that has only an interval rule gives its box and forgets ξ, which is sound; so does a single
    entry whose r alone reaches as far as its box. A function with neither raises.

    Memory is d + 3 times that of the tensor itself. Unlike boxes, these sets are not isotonic: what a rule makes of a
    smaller set need not be part of what it makes of a larger one. What is shown of the larger one holds of both.

    Args:
        center: c, floating point, any shape.
        generators: `(d, *shape)`. Tensors in one computation may have different d: what is missing counts as 0.
        radius: r ≥ 0, of the shape of c; 0 by default.
        box: what else is known to hold the values; by default what the form itself implies.
        rigorous: whether every rule covers rounding too.

    Raises:
        ValueError: if shapes or dtypes differ, or a radius is negative or not a number.

    References:
        de Figueiredo & Stolfi, Affine arithmetic: concepts and applications, Numerical Algorithms 37, 2004.
        Singh et al., Fast and Effective Robustness Certification, NeurIPS 2018: zonotopes through networks.

    Example:
        >>> from cltoolkit.intervals import AffineTensor
        >>> x = AffineTensor(torch.zeros(1), torch.ones(1, 1))
        >>> (x - x).box.width, (x.box - x.box).width
        (tensor([0.]), tensor([4.]))
    """

    center: Tensor
    generators: Tensor
    radius: Tensor
    box: IntervalTensor

    @staticmethod
    def __new__(
        cls: type["AffineTensor"],
        center: Tensor,
        generators: Tensor,
        radius: Tensor | None = None,
        box: IntervalTensor | None = None,
        *,
        rigorous: bool = False,
    ) -> "AffineTensor":
        form = Form(center, generators, torch.zeros_like(center) if radius is None else radius)
        _check(form)
        rigorous = rigorous or (box is not None and box.rigorous)
        return joined(form, _box_of(form, rigorous) if box is None else box)

    def __init__(
        self,
        center: Tensor,
        generators: Tensor,
        radius: Tensor | None = None,
        box: IntervalTensor | None = None,
        *,
        rigorous: bool = False,
    ) -> None: ...

    @property
    def form(self) -> Form:
        """c, G and r."""
        return Form(self.center, self.generators, self.radius)

    @property
    def rigorous(self) -> bool:
        """Whether rounding is covered."""
        return self.box.rigorous

    @property
    def lower(self) -> Tensor:
        """The lower end of the box."""
        return self.box.lower

    @property
    def upper(self) -> Tensor:
        """The upper end of the box."""
        return self.box.upper

    @classmethod
    def __torch_function__(
        cls, func: Any, types: Sequence[type], args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if func in FACTS:
            return super().__torch_function__(func, types, args, kwargs)  # type: ignore[no-untyped-call]
        if func not in RULES:
            raise MissingRuleError(f"no rule bounds {name_of(func)} on an AffineTensor, nor on an IntervalTensor")
        forms = AFFINE_RULES[func](*args, **kwargs) if func in AFFINE_RULES else None
        boxes = RULES[func](*_boxed(args), **_boxed(kwargs))
        if forms is None:
            result = _each(lambda bound: joined(form_of(bound), bound), boxes)
        else:
            result = _each(joined, forms, boxes)
        changed = args[0] if args and in_place(func, kwargs) else None
        return changed._become(result) if isinstance(changed, AffineTensor) else result

    def _become(self, other: "AffineTensor") -> "AffineTensor":
        """Itself, with the values of another: what a function that changes its operand leaves of it."""
        if other.box.shape != self.box.shape or other.box.dtype != self.box.dtype:
            raise MissingRuleError(
                f"an AffineTensor of shape {tuple(self.box.shape)} cannot become one of shape {tuple(other.box.shape)} "
                "in place; use the function without its underscore"
            )
        self.center, self.generators, self.radius, self.box = other.center, other.generators, other.radius, other.box
        return self

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]
        cls, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        raise MissingRuleError(f"no rule bounds {func} on an AffineTensor")

    def __repr__(self, *, tensor_contents: Any = None) -> str:  # type: ignore[override]
        return f"AffineTensor(center={self.center}, generators={self.generators}, radius={self.radius})"


def affine_rule(*functions: Callable[..., Any]) -> Callable[[Rule], Rule]:
    """Enters a function into `AFFINE_RULES` as the rule of torch functions that mean the same.

    A rule takes the arguments that the torch function takes, of which at least one is an `AffineTensor`, and returns a
    `Form`, or a tuple of them, that holds every value of the function for the same ξ. The box comes from `RULES`.

    Args:
        functions: all spellings: `torch.relu`, `F.relu`, `Tensor.relu`, ...
    """

    def enter(made: Rule) -> Rule:
        AFFINE_RULES.update(dict.fromkeys(functions, made))
        return made

    return enter


def affine_embedding(center: Tensor, half_width: Tensor, *, rigorous: bool = False) -> AffineTensor:
    """The box of embeddings {e + ε ∘ ξ}, each coordinate a noise of its own.

    Args:
        center: e, `(d,)`.
        half_width: ε ≥ 0, `(d,)`.
        rigorous: whether all that is computed from it covers rounding.

    Returns:
        `(d,)`, with d generators.

    Example:
        >>> affine_embedding(torch.zeros(2), torch.tensor([0.1, 0.2])).generators
        tensor([[0.1000, 0.0000],
                [0.0000, 0.2000]])
    """
    bound = IntervalTensor(center, half_width, rigorous=rigorous)
    return joined(Form(center, half_width.diag(), torch.zeros_like(center)), bound)


def joined(form: Form, bound: IntervalTensor) -> AffineTensor:
    """The form within the box, each as tight as the other makes it."""
    made = Tensor._make_wrapper_subclass(AffineTensor, bound.shape, dtype=bound.dtype, device=bound.device)
    made.box = _intersection(_box_of(form, bound.rigorous), bound)
    made.center, made.generators, made.radius = _reset(form, made.box)
    return made


def form_of(value: Tensor) -> Form:
    """The form of a tensor; that of a box or a point depends on no ξ."""
    if isinstance(value, AffineTensor):
        return value.form
    center, radius = (value.center, value.radius) if isinstance(value, IntervalTensor) else (value, value.new_zeros(()))
    return Form(center, center.new_zeros(0, *center.shape), radius.expand(center.shape))


def box_of(value: Any) -> Any:
    """The box of an affine tensor; anything else as it is."""
    return value.box if isinstance(value, AffineTensor) else value


def ends(value: Tensor) -> tuple[Tensor, Tensor]:
    """The least and the largest value of each entry; a point is its own."""
    return (value.lower, value.upper) if isinstance(value, AffineTensor | IntervalTensor) else (value, value)


def is_rigorous(*values: object) -> bool:
    """Whether a result of these values has to cover rounding."""
    return any(isinstance(value, AffineTensor | IntervalTensor) and value.rigorous for value in values)


def _box_of(form: Form, rigorous: bool) -> IntervalTensor:
    """c ± (Σ_k |G_k| + r)."""
    radius = form.spread + form.radius
    if rigorous:
        radius = radius * (1 + gamma(len(form.generators) + 3, radius.dtype))
    return box(form.center, radius, rigorous=rigorous)


def _intersection(new: IntervalTensor, old: IntervalTensor) -> IntervalTensor:
    """The part of `old` that lies in `new`; `old` itself, to the bit, where that is no gain."""
    lower, upper = new.lower.maximum(old.lower), new.upper.minimum(old.upper)
    center = (lower + upper) / 2
    radius = (upper - center).maximum(center - lower).clamp(min=0)
    if old.rigorous:
        radius = round_up(radius)
    gain = radius < old.radius
    center, radius = torch.where(gain, center, old.center), torch.where(gain, radius, old.radius)
    return box(center, radius, nonnegative=old.nonnegative, rigorous=old.rigorous)


def _reset(form: Form, bound: IntervalTensor) -> Form:
    """The box instead of the form in every entry whose private radius alone reaches as far."""
    wide = ~(form.radius < bound.radius)  # NaN too
    return Form(
        torch.where(wide, bound.center, form.center),
        torch.where(wide, 0, form.generators),
        torch.where(wide, bound.radius, form.radius),
    )


def _boxed(value: Any) -> Any:
    """Arguments with every affine tensor replaced by its box."""
    if isinstance(value, Mapping):
        return {key: _boxed(item) for key, item in value.items()}
    if type(value) in (list, tuple):
        return type(value)(_boxed(item) for item in value)
    return box_of(value)


def _each(function: Callable[..., AffineTensor], *results: Any) -> Any:
    """`function` of one result, or of each in tuples of them."""
    if isinstance(results[-1], IntervalTensor):
        return function(*results)
    return tuple(function(*parts) for parts in zip(*results, strict=True))


def _check(form: Form) -> None:
    shape, dtype = form.center.shape, form.center.dtype
    fits = form.radius.shape == shape and form.generators.shape[1:] == shape and form.generators.ndim > len(shape)
    if not fits or {form.generators.dtype, form.radius.dtype} != {dtype} or not dtype.is_floating_point:
        raise ValueError(
            f"expected center and radius of one shape, generators (d, *shape), all of one floating dtype; got "
            f"{tuple(shape)} {dtype}, {tuple(form.radius.shape)} {form.radius.dtype} and "
            f"{tuple(form.generators.shape)} {form.generators.dtype}"
        )
    if not bool((form.radius >= 0).all()):
        raise ValueError("expected radii of at least 0; got a negative one, or NaN")
