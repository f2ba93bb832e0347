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
        name: part.view((*flat.shape[:-1], *shape)) for (name, shape), part in zip(shapes.items(), parts, strict=True)
    }


@runtime_checkable
class _Resettable(Protocol):
    def reset_parameters(self) -> None: ...


class Stateless:
    """A target network without weights of its own: `net(params, x)`.

    Any module serves as it is written. Its parameters and buffers come from outside at each call;
    one that is missing raises and is named.

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
        weights: "drawn" or "given".

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
        self.weights = weights
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
        names = _canonical_names(module)
        self._plain = {mode: _Forward(skeleton, names) for mode, skeleton in self._modes.items()}
        self._forward: dict[bool, Callable[[Params, Tensor], Tensor]] = {**self._plain}

    def initial(self, seed: int, *key: int | str) -> Params:
        """The weights and buffers from which training begins; if drawn, a function of `(seed, *key)` alone."""
        module = copy.deepcopy(self._given)
        if self.weights == "drawn":
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
        return self.both(params, x, training=training)[0]

    def both(self, params: Params, x: Tensor, *, training: bool = False) -> tuple[Tensor, Tensor]:
        """Features `(n, d)` and logits `(n, k)` from one pass."""
        seen: list[Tensor] = []
        with _watched(self._modes[training].get_submodule(self.head), seen):
            logits = self._plain[training](params, x)
        return seen[-1].flatten(1), logits

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
                f"the network does not take inputs of shape {input_shape}: {str(error).rstrip('.')}. "
                "Build it with the sequence's `input_shape`, or resize the inputs."
            ) from error
        if out.ndim != 2:
            raise ValueError(
                f"expected logits (n, k) from the network; got {tuple(out.shape)} for 2 inputs of shape {input_shape}"
            )
        return out.shape[1]

    def compile(self) -> None:
        """Has `torch.compile` translate the forward pass, in both modes, at its first use."""
        self._forward = {mode: torch.compile(forward) for mode, forward in self._plain.items()}

    def __repr__(self) -> str:
        return f"Stateless({type(self._given).__name__}, {self.size:,} weights, head {self.head!r})"


class _Forward:
    """One skeleton, called with weights from outside; apart from `Stateless`, so that it can be compiled.

    It does what `torch.func.functional_call` does, which seeks every name anew at each call: that takes a small network
    as long as its forward pass.

    Args:
        module: the skeleton; while it is called, its own dictionaries hold the weights given.
        names: the path of every parameter and buffer → the name under which it is given; tied weights share one.
    """

    def __init__(self, module: nn.Module, names: Mapping[str, str]) -> None:
        self.module = module
        self.names = dict(names)
        self.expected = set(names.values())
        buffers = {path for path, _ in module.named_buffers(remove_duplicate=False)}
        self.slots = [(*_slot(module, path), name) for path, name in names.items()]
        self.buffers = [slot for slot, (path, _) in zip(self.slots, names.items(), strict=True) if path in buffers]

    def __call__(self, params: Params, x: Tensor) -> Tensor:
        if params.keys() != self.expected:
            raise RuntimeError(_misfit(self.expected, params))
        if torch.compiler.is_compiling():
            return functional_call(self.module, {path: params[name] for path, name in self.names.items()}, (x,))
        own = [store[leaf] for store, leaf, _ in self.slots]
        try:
            for store, leaf, name in self.slots:
                store[leaf] = params[name]
            out = self.module(x)
            for store, leaf, name in self.buffers:  # some modules do not move their statistics in place
                params[name] = store[leaf]
            return out
        finally:
            for (store, leaf, _), value in zip(self.slots, own, strict=True):
                store[leaf] = value


def _canonical_names(module: nn.Module) -> dict[str, str]:
    """The path of every parameter and buffer → the first path of the same tensor."""
    every = (*module.named_parameters(remove_duplicate=False), *module.named_buffers(remove_duplicate=False))
    first: dict[int, str] = {}
    return {path: first.setdefault(id(tensor), path) for path, tensor in every}


def _slot(module: nn.Module, path: str) -> tuple[dict[str, Any], str]:
    """The dictionary of the submodule that holds a parameter or buffer, and its key there."""
    owner, _, leaf = path.rpartition(".")
    part = module.get_submodule(owner)
    return (part._parameters if leaf in part._parameters else part._buffers), leaf


def _misfit(expected: set[str], params: Params) -> str:
    """What is wrong with the names given."""
    missing, unknown = sorted(expected - params.keys()), sorted(params.keys() - expected)
    parts = [f"{what} {names[:5]}" for what, names in (("missing", missing), ("unknown", unknown)) if names]
    return f"expected every parameter and buffer of the network by name; {', '.join(parts)}"


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
