"""A target network apart from its weights: `net(params, x)`, wherever a learner takes the weights from."""

import copy
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal, Protocol, runtime_checkable

import torch
from torch import Tensor, nn
from torch.func import functional_call

from .randomness import seeded

__all__ = ["Params", "Shapes", "Stateless", "pack", "unpack"]

Params = dict[str, Tensor]
Shapes = dict[str, torch.Size]


def pack(params: Mapping[str, Tensor], shapes: Mapping[str, torch.Size]) -> Tensor:
    """Lays the weights named in `shapes` end to end.

    Args:
        params: name → `(*batch, *shape)`.
        shapes: the names that count, in their order, with their shapes.

    Returns:
        `(*batch, P)`, P the number of scalars in `shapes`.

    Example:
        >>> shapes = {"weight": torch.Size([2, 2]), "bias": torch.Size([2])}
        >>> flat = pack({"weight": torch.eye(2), "bias": torch.ones(2)}, shapes)
        >>> flat
        tensor([1., 0., 0., 1., 1., 1.])
        >>> unpack(flat, shapes)["weight"]
        tensor([[1., 0.],
                [0., 1.]])
    """
    parts = []
    for name, shape in shapes.items():
        value = params[name]
        parts.append(value.reshape(*value.shape[: value.ndim - len(shape)], shape.numel()))
    return torch.cat(parts, -1)


def unpack(flat: Tensor, shapes: Mapping[str, torch.Size]) -> Params:
    """The inverse of `pack`: views of `flat` `(*batch, P)` under their names, each `(*batch, *shape)`.

    Raises:
        ValueError: if the last dimension of `flat` is not P.
    """
    sizes = [shape.numel() for shape in shapes.values()]
    if flat.shape[-1] != sum(sizes):
        raise ValueError(
            f"expected (..., {sum(sizes)}) scalars for {len(sizes)} weights; got shape {tuple(flat.shape)}"
        )
    parts = flat.split(sizes, -1)
    return {
        name: part.view(*flat.shape[:-1], *shape) for (name, shape), part in zip(shapes.items(), parts, strict=True)
    }


@runtime_checkable
class _Resettable(Protocol):
    def reset_parameters(self) -> None: ...


class Stateless:
    """A target network without weights of its own: `net(params, x)`.

    Any module serves as it is written. Its parameters and buffers come from outside at each call, through
    `torch.func.functional_call`; one that is missing raises and is named.

    Args:
        module: the network. It is copied; the copy holds no memory for weights.
        head: the submodule whose output are the logits and whose input are the features; by default the one called
            `head`, or else the last linear layer.
        weights: "drawn": `initial` draws new weights from its seed, through each submodule's own `reset_parameters`.
            "given": it returns those that the module came with (a pretrained network).

    Attributes:
        shapes: shape of every parameter by name, in module order.
        size: P, how many scalars they hold.
        buffers: names of the buffers (batch-norm statistics).
        head: name of the head; `head_names` of its parameters.

    Raises:
        ValueError: if no head is found, or the one named does not exist.

    Example:
        >>> net = Stateless(nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2)))
        >>> params = net.initial(0)
        >>> net(params, torch.ones(5, 4)).shape, net.features(params, torch.ones(5, 4)).shape
        (torch.Size([5, 2]), torch.Size([5, 3]))
        >>> net.head, net.size
        ('2', 23)
    """

    def __init__(
        self, module: "nn.Module | Stateless", *, head: str | None = None, weights: Literal["drawn", "given"] = "drawn"
    ) -> None:
        if isinstance(module, Stateless):
            raise TypeError("expected a module; got a Stateless, which can be used as it is")
        if weights not in ("drawn", "given"):
            raise ValueError(f"expected weights='drawn' or 'given'; got {weights!r}")
        self._given = copy.deepcopy(module).cpu()
        self._weights = weights
        skeleton = copy.deepcopy(module).to("meta")
        self._modes = {True: skeleton.train(), False: copy.deepcopy(skeleton).eval()}
        self.shapes: Shapes = {name: p.shape for name, p in module.named_parameters()}
        self.size = sum(shape.numel() for shape in self.shapes.values())
        self.buffers = tuple(name for name, _ in module.named_buffers())
        self.head = _find_head(module, head)
        prefix = f"{self.head}." if self.head else ""  # a module that is one linear layer is all head
        self.head_names = tuple(name for name in self.shapes if name.startswith(prefix))
        self.recipe: dict[str, Any] | None = vars(module).get("recipe")
        self.precision: torch.dtype | None = None
        self._forward: dict[bool, Callable[[Params, Tensor], Tensor]] = {
            mode: _Forward(skeleton) for mode, skeleton in self._modes.items()
        }

    def initial(self, seed: int, *key: int | str) -> Params:
        """The weights and buffers from which training begins; if drawn, a function of `(seed, *key)` alone."""
        module = copy.deepcopy(self._given)
        if self._weights == "drawn":
            with seeded(seed, *key):
                for part in module.modules():
                    if isinstance(part, _Resettable):
                        part.reset_parameters()
        return {name: value.detach() for name, value in (*module.named_parameters(), *module.named_buffers())}

    def __call__(self, params: Params, x: Tensor, *, training: bool = False) -> Tensor:
        """Logits `(n, k)` of the inputs `x` `(n, *input_shape)`; training moves batch-norm statistics in `params`."""
        forward = self._forward[training]
        if self.precision is None:
            return forward(params, x)
        with torch.autocast(x.device.type, dtype=self.precision):
            return forward(params, x).float()

    def features(self, params: Params, x: Tensor, *, training: bool = False) -> Tensor:
        """What the head is given: `(n, d)`."""
        seen: list[Tensor] = []
        module = self._modes[training]
        with _watched(module.get_submodule(self.head), seen):
            _Forward(module)(params, x)
        return seen[-1].flatten(1)

    def num_outputs(self, input_shape: tuple[int, ...]) -> int:
        """How many logits the network gives; computed on shapes alone.

        Raises:
            ValueError: if the network does not take inputs of this shape.
        """
        params = {name: torch.empty(shape, device="meta") for name, shape in self.shapes.items()}
        params |= {name: torch.empty_like(b, device="meta") for name, b in self._given.named_buffers()}
        try:
            out = self._forward[False](params, torch.empty(2, *input_shape, device="meta"))
        except (RuntimeError, ValueError, TypeError) as error:
            raise ValueError(
                f"the network does not take inputs of shape {input_shape}: {error}. "
                "Build it with the sequence's `input_shape`, or resize the inputs."
            ) from error
        if out.ndim != 2:
            raise ValueError(
                f"expected logits (n, k) from the network; got {tuple(out.shape)} for 2 inputs of shape {input_shape}"
            )
        return out.shape[1]

    def compile(self) -> None:
        """Has `torch.compile` translate the forward pass, in both modes, at its first use."""
        self._forward = {mode: torch.compile(forward) for mode, forward in self._forward.items()}

    def __repr__(self) -> str:
        return f"Stateless({type(self._given).__name__}, {self.size:,} weights, head {self.head!r})"


class _Forward:
    """The functional call of one skeleton; apart from `Stateless`, so that it can be compiled."""

    def __init__(self, module: nn.Module) -> None:
        self.module = module

    def __call__(self, params: Params, x: Tensor) -> Tensor:
        return functional_call(self.module, params, (x,), strict=True)


@contextmanager
def _watched(module: nn.Module, seen: list[Tensor]) -> Iterator[None]:
    """Collects what `module` is given while the context lasts."""
    handle = module.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    try:
        yield
    finally:
        handle.remove()


def _find_head(module: nn.Module, name: str | None) -> str:
    parts = dict(module.named_modules())
    if name is not None:
        if name not in parts:
            raise ValueError(f"the network has no submodule {name!r}; it has {[n for n in parts if n]}")
        return name
    linear = [n for n, part in parts.items() if isinstance(part, nn.Linear)]
    if "head" in parts:
        return "head"
    if not linear:
        raise ValueError(
            "expected a submodule named 'head' or a linear layer; name the one that makes the logits with `head=`"
        )
    return linear[-1]
