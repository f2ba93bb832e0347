"""A target network apart from its weights: `net(params, x)`, wherever a learner takes the weights from."""

import copy
import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal, Protocol, cast, runtime_checkable

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

    Parameters with `requires_grad=False` are frozen: they belong to the network, not to its weights. They are in no
    `shapes`, no `params` and no saved Run, are kept once however many tasks there are, and follow the inputs to their
    device. A submodule that holds one begins as it was given, even where weights are drawn. Buffers are never frozen.

    Args:
        module: the network. It is copied. Give several learners one `Stateless`, and they share its frozen part.
        head: the submodule whose output are the logits and whose input are the features; by default the one called
            `head`, or else the last linear layer.
        weights: "drawn": `initial` draws new weights from its seed, through each submodule's own `reset_parameters`.
            "given": it returns those that the module came with (a pretrained network).

    Attributes:
        shapes: shape of every parameter that is not frozen by name, in module order.
        size: P, how many scalars they hold.
        frozen: names of the frozen parameters.
        buffers: names of the buffers (batch-norm statistics).
        by_batch: to be put over params, `params | net.by_batch`: batch norm then takes the statistics of the batch,
            in evaluation mode too, and stores none. Empty where there is no batch norm.
        head: name of the head; `head_names` of its parameters.
        weights: "drawn" or "given".

    Raises:
        ValueError: if no head is found, the one named does not exist or is frozen, or everything is.

    Example:
        >>> net = Stateless(nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2)))
        >>> params = net.initial(0)
        >>> net(params, torch.ones(5, 4)).shape, net.features(params, torch.ones(5, 4)).shape
        (torch.Size([5, 2]), torch.Size([5, 3]))
        >>> net.head, net.size
        ('2', 23)
        >>> backbone = nn.Linear(4, 3).requires_grad_(False)
        >>> Stateless(nn.Sequential(backbone, nn.ReLU(), nn.Linear(3, 2))).size
        8
    """

    def __init__(
        self, module: "nn.Module | Stateless", *, head: str | None = None, weights: Literal["drawn", "given"] = "drawn"
    ) -> None:
        if isinstance(module, Stateless):
            raise TypeError("expected a module; got a Stateless, which can be used as it is")
        if weights not in ("drawn", "given"):
            raise ValueError(f"expected weights='drawn' or 'given'; got {weights!r}")
        self.head = _find_head(module, head)
        self.frozen = tuple(name for name, p in module.named_parameters() if not p.requires_grad)
        self.shapes: Shapes = {name: p.shape for name, p in module.named_parameters() if p.requires_grad}
        self.size = sum(shape.numel() for shape in self.shapes.values())
        self.buffers = tuple(name for name, _ in module.named_buffers())
        moving = [name for name in self.buffers if name.endswith(("running_mean", "running_var"))]
        self.by_batch = cast(Params, dict.fromkeys(moving))  # None in the place of each
        prefix = f"{self.head}." if self.head else ""  # a module that is one linear layer is all head
        self.head_names = tuple(name for name in self.shapes if name.startswith(prefix))
        _check_frozen(self.frozen, prefix, self.shapes)
        self.weights = weights
        self._given = copy.deepcopy(module).cpu()
        self._fixed = _Fixed({name: p.detach() for name, p in self._given.named_parameters() if not p.requires_grad})
        skeleton = _skeleton(module)
        self._modes = {True: skeleton.train(), False: copy.deepcopy(skeleton).eval()}
        self.recipe: dict[str, Any] | None = vars(module).get("recipe")
        self.precision: torch.dtype | None = None
        names = _canonical_names(module)
        self._plain = {mode: _Forward(skeleton, names, self.frozen) for mode, skeleton in self._modes.items()}
        self._forward: dict[bool, Callable[[Params, Params, Tensor], Tensor]] = {**self._plain}

    def initial(self, seed: int, *key: int | str) -> Params:
        """The weights and buffers from which training begins; if drawn, a function of `(seed, *key)` alone."""
        module = copy.deepcopy(self._given, {id(p): p for p in self._given.parameters() if not p.requires_grad})
        if self.weights == "drawn":
            with seeded(seed, *key):
                for part in module.modules():
                    if isinstance(part, _Resettable) and all(p.requires_grad for p in part.parameters()):
                        part.reset_parameters()
        own = ((name, p) for name, p in module.named_parameters() if p.requires_grad)
        return {name: value.detach() for name, value in (*own, *module.named_buffers())}

    def fingerprint(self, seed: int, *key: int | str) -> str:
        """A hash of the network's structure, of its `initial` weights, and of those that are frozen."""
        sha = hashlib.sha256(f"{self._given}|{self.head}|{self.weights}".encode())
        for name, value in (self.initial(seed, *key) | self._fixed.values).items():
            sha.update(f"{name}{value.dtype}{tuple(value.shape)}".encode())
            sha.update(value.cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
        return sha.hexdigest()

    @property
    def zero_names(self) -> tuple[str, ...]:
        """The weight matrices with which the network begins at zero, on purpose: the second factors of adapters."""
        values = self.initial(0)
        return tuple(name for name in self.shapes if values[name].ndim > 1 and not values[name].any())

    def __call__(self, params: Params, x: Tensor, *, training: bool = False) -> Tensor:
        """Logits `(n, k)` of the inputs `x` `(n, *input_shape)`; training moves batch-norm statistics in `params`."""
        forward, fixed = self._forward[training], self._fixed.beside(params, x)
        if self.precision is None:
            return forward(params, fixed, x)
        with torch.autocast(x.device.type, dtype=self.precision):
            return forward(params, fixed, x).float()

    def features(self, params: Params, x: Tensor, *, training: bool = False) -> Tensor:
        """What the head is given: `(n, d)`."""
        return self.both(params, x, training=training)[0]

    def both(self, params: Params, x: Tensor, *, training: bool = False) -> tuple[Tensor, Tensor]:
        """Features `(n, d)` and logits `(n, k)` from one pass."""
        seen: list[Tensor] = []
        with _watched(self._modes[training].get_submodule(self.head), seen):
            logits = self._plain[training](params, self._fixed.beside(params, x), x)
        return seen[-1].flatten(1), logits

    def num_outputs(self, input_shape: tuple[int, ...]) -> int:
        """How many logits the network gives; computed on shapes alone.

        Raises:
            ValueError: if the network does not take inputs of this shape.
        """
        params = {name: torch.empty(shape, device="meta") for name, shape in self.shapes.items()}
        params |= {name: torch.empty_like(b, device="meta") for name, b in self._given.named_buffers()}
        try:
            x = torch.empty(2, *input_shape, device="meta")
            out = self._forward[False](params, self._fixed.beside(params, x), x)
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
        fixed = f", {self._fixed.size:,} frozen" if self.frozen else ""
        return f"Stateless({type(self._given).__name__}, {self.size:,} weights{fixed}, head {self.head!r})"


class _Fixed:
    """The frozen parameters, with a copy wherever they were needed."""

    def __init__(self, values: Params) -> None:
        self.values = values
        self.size = sum(value.numel() for value in values.values())
        self._placed: dict[tuple[torch.device, torch.dtype], Params] = {}

    def beside(self, params: Params, x: Tensor) -> Params:
        """Those values on the device of the inputs, in the precision of the weights."""
        if not self.values:
            return self.values
        dtype = next((p.dtype for p in params.values() if p.is_floating_point()), torch.float32)
        place = (x.device, dtype)
        if place not in self._placed:
            with torch.inference_mode(False):  # what is made in evaluation serves in training too
                self._placed[place] = {name: _placed(value, *place) for name, value in self.values.items()}
        return self._placed[place]


def _placed(value: Tensor, device: torch.device, dtype: torch.dtype) -> Tensor:
    return value.to(device, dtype) if value.is_floating_point() else value.to(device)


class _Forward:
    """One skeleton, called with weights from outside; apart from `Stateless`, so that it can be compiled.

    It does what `torch.func.functional_call` does, which seeks every name anew at each call: that takes a small network
    as long as its forward pass.

    Args:
        module: the skeleton; while it is called, its own dictionaries hold the weights given.
        names: the path of every parameter and buffer → the name under which it is given; tied weights share one.
        frozen: the names that come apart from the weights.
    """

    def __init__(self, module: nn.Module, names: Mapping[str, str], frozen: Iterable[str]) -> None:
        self.module = module
        self.names = dict(names)
        self.expected = set(names.values()) - set(frozen)
        buffers = {path for path, _ in module.named_buffers(remove_duplicate=False)}
        self.slots = [(*_slot(module, path), name) for path, name in names.items()]
        self.buffers = [slot for slot, (path, _) in zip(self.slots, names.items(), strict=True) if path in buffers]

    def __call__(self, params: Params, fixed: Params, x: Tensor) -> Tensor:
        if params.keys() != self.expected:
            raise RuntimeError(_misfit(self.expected, params))
        values = {**params, **fixed}
        if torch.compiler.is_compiling():
            return functional_call(self.module, {path: values[name] for path, name in self.names.items()}, (x,))
        own = [store[leaf] for store, leaf, _ in self.slots]
        try:
            for store, leaf, name in self.slots:
                store[leaf] = values[name]
            out = self.module(x)
            for store, leaf, name in self.buffers:  # some modules do not move their statistics in place
                params[name] = store[leaf]
            return out
        finally:
            for (store, leaf, _), value in zip(self.slots, own, strict=True):
                store[leaf] = value


def _skeleton(module: nn.Module) -> nn.Module:
    """A copy that holds no memory for parameters and buffers; the originals' is never touched."""
    empty = {id(p): nn.Parameter(torch.empty_like(p, device="meta"), p.requires_grad) for p in module.parameters()}
    return copy.deepcopy(module, empty | {id(b): torch.empty_like(b, device="meta") for b in module.buffers()})


def _check_frozen(frozen: Iterable[str], prefix: str, shapes: Shapes) -> None:
    if frozen and not shapes:
        raise ValueError(
            "every parameter of the network is frozen (requires_grad=False), so nothing is left to learn; "
            "call requires_grad_(True) on the part that shall be, or on the module"
        )
    fast = [name for name in frozen if name.startswith(prefix)]
    if fast:
        raise ValueError(
            f"the head is frozen: {fast} have requires_grad=False, but the logits of new classes must be learned; "
            "call requires_grad_(True) on it, or name another head with `head=`"
        )


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
