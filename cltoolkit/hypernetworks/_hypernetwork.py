"""The hypernetwork: every weight of a target network as a function of a task embedding."""

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from itertools import pairwise
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ._checks import check_embeddings, check_name, check_positive
from ._initialization import SAMPLES, chunk_rms, draw_he, draw_normal, draw_xavier, gain_offset, hyperfan_std, zero_bias
from ._wide import WideLinear

__all__ = ["Basis", "Hypernetwork"]

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "elu": F.elu,
    "gelu": F.gelu,
    "leaky_relu": F.leaky_relu,
    "relu": F.relu,
    "sigmoid": torch.sigmoid,
    "silu": F.silu,
    "tanh": torch.tanh,
}
OUTPUTS = ("full", "chunked", "low_rank")
INITIALIZATIONS = ("hyperfan", "plain")


class Basis(nn.Module):
    """All of a hypernetwork but its last linear layer: one row of features per task and chunk.

    φ(e, c_k) = s_k · V a(... a(A_1 [e; c_k] + a_1) ...), with the chunk embeddings c_k and scales s_k where there are
    chunks, and the bottleneck V where the rank is low.

    Attributes:
        chunks: `(K, d_c)`, the learned chunk embeddings, or None.
        layers: the hidden linear layers, each followed by the activation.
        bottleneck: the linear map to `rank` features, or None.
        scale: `(K, 1)`, fixed at initialization, or None.
    """

    scale: Tensor | None

    def __init__(
        self,
        embedding_dim: int,
        hidden: Sequence[int],
        *,
        activation: str,
        chunks: tuple[int, int] | None,
        rank: int | None,
    ) -> None:
        super().__init__()
        widths = [embedding_dim + (chunks[1] if chunks else 0), *hidden]
        self.activation = activation
        self.chunks = nn.Parameter(torch.empty(chunks)) if chunks else None
        self.layers = nn.ModuleList(_linear(a, b) for a, b in pairwise(widths))
        self.bottleneck = _linear(widths[-1], rank, bias=False) if rank else None
        self.register_buffer("scale", torch.ones(chunks[0], 1) if chunks else None)
        self.width = rank or widths[-1]

    def forward(self, embeddings: Tensor) -> Tensor:
        """Features `(T, K, h)` of the embeddings `(T, d_e)`."""
        x = embeddings.unsqueeze(1)  # (T, 1, d_e)
        if self.chunks is not None:
            tasks, chunks = len(embeddings), len(self.chunks)
            x = torch.cat([x.expand(tasks, chunks, -1), self.chunks.expand(tasks, chunks, -1)], -1)  # (T, K, d_e + d_c)
        for layer in self.layers:
            x = ACTIVATIONS[self.activation](layer(x))
        if self.bottleneck is not None:
            x = self.bottleneck(x)
        return x if self.scale is None else x * self.scale


class Hypernetwork(nn.Module):
    """A network h that generates the P weights of a target network from a task embedding: Θ(e) = h(e; θ).

    The last layer is linear in the features φ of `Basis`. With `output=`

    - "full": Θ(e) = W φ(e) + b + o, W of P rows;
    - "chunked": the flat vector is cut into K = ⌈P / chunk_size⌉ chunks, the last one truncated;
      chunk k is W φ(e, c_k) + b + o_k;
    - "low_rank": Θ(e) = U g(e) + b + o with `rank` features g: all tasks lie in one affine subspace of that dimension.

    The constant o is 1 for the gains of normalization layers, else 0. Each weight tensor named in `zero` passes a
    learned gate that begins at 0, and so it begins at zero itself, as the second factor of a low-rank adapter must.
    Embeddings belong to the learner, so their number is never fixed here; they are expected to begin as N(0, 1). All
    tasks and chunks go through in one batch.

    With `initialization="hyperfan"` a generated weight tensor begins with variance 2 / fan_in: for "full" and
    "low_rank" through the rows of the last layer, for "chunked" through one fixed scale per chunk (the root mean square
    over its scalars), which keeps φ ↦ Θ the same linear map for every chunk. The size of φ is measured on random
    embeddings, so this holds for any depth and activation.

    Args:
        shapes: name → shape of every target weight; its order is the order of the flat vector.
        embedding_dim: d_e, coordinates of a task embedding.
        hidden: widths of the hidden layers; `()` makes h affine in e.
        output: "full", "chunked" or "low_rank".
        chunk_size: scalars per chunk; by default ⌈P / h⌉ of the last width h, so that W has about as many weights as
            the target.
        chunk_dim: d_c, coordinates of a chunk embedding.
        rank: dimension of the subspace of a "low_rank" output.
        activation: of the hidden layers, by its name in torch: "relu", "elu", "tanh", ...
        initialization: "hyperfan", or "plain" for the published one: Xavier-uniform matrices, zero biases, o = 0.
        zero: names of target weights that begin at zero, for every task.
        generator: where the initial weights are drawn from; by default one with seed 0. The global generator is not
            used.

    Attributes:
        size: P, scalars generated for one task.
        num_chunks: K, 1 without chunks.
        chunk_size: rows of the last layer; P without chunks.
        basis: the module e ↦ φ, `(T, d_e)` → `(T, K, h)`.
        output: the last linear layer, W and b.

    Raises:
        ValueError: if `shapes` holds no weight, a size is not positive, or a name is unknown.

    References:
        von Oswald et al., Continual learning with hypernetworks, ICLR 2020, §2 and §2.2 (chunks).
        Chang, Flokas & Lipson, Principled Weight Initialization for Hypernetworks, ICLR 2020.

    Example:
        >>> shapes = {name: p.shape for name, p in nn.Linear(8, 2).named_parameters()}
        >>> hypernet = Hypernetwork(shapes, embedding_dim=4, hidden=(16,))
        >>> hypernet(torch.zeros(3, 4)).shape
        torch.Size([3, 18])
    """

    offset: Tensor | None
    gate_of: Tensor | None

    def __init__(
        self,
        shapes: Mapping[str, torch.Size],
        *,
        embedding_dim: int = 32,
        hidden: Sequence[int] = (64, 64),
        output: str = "full",
        chunk_size: int | None = None,
        chunk_dim: int = 32,
        rank: int = 16,
        activation: str = "relu",
        initialization: str = "hyperfan",
        zero: Collection[str] = (),
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        check_name("output", output, OUTPUTS)
        check_name("activation", activation, ACTIVATIONS)
        check_name("initialization", initialization, INITIALIZATIONS)
        check_positive(embedding_dim=embedding_dim, chunk_dim=chunk_dim, rank=rank)
        check_positive(**{f"hidden[{i}]": width for i, width in enumerate(hidden)})
        self.shapes = {name: torch.Size(shape) for name, shape in shapes.items()}
        self.size = sum(shape.numel() for shape in self.shapes.values())
        if self.size == 0:
            raise ValueError(f"expected at least one weight to generate; got shapes={dict(shapes)}")
        self.embedding_dim = embedding_dim
        self.initialization = initialization
        self.chunk_size = self.size
        if output == "chunked":
            width = hidden[-1] if hidden else embedding_dim + chunk_dim
            self.chunk_size = min(math.ceil(self.size / width) if chunk_size is None else chunk_size, self.size)
            check_positive(chunk_size=self.chunk_size)
        self.num_chunks = math.ceil(self.size / self.chunk_size)
        self.basis = Basis(
            embedding_dim,
            hidden,
            activation=activation,
            chunks=(self.num_chunks, chunk_dim) if output == "chunked" else None,
            rank=rank if output == "low_rank" else None,
        )
        self.output = nn.utils.skip_init(WideLinear, self.basis.width, self.chunk_size)
        self.register_buffer("offset", None, persistent=False)
        self.around(None)
        self.gates = nn.Parameter(torch.zeros(len(zero))) if zero else None
        self.register_buffer("gate_of", _places(self.shapes, zero) if zero else None, persistent=False)
        self.reset(generator)

    @torch.no_grad()
    def reset(self, generator: torch.Generator | None = None) -> None:
        """Draws all weights anew.

        Args:
            generator: the same generator state gives the same weights; by default a generator with seed 0.
        """
        generator = torch.Generator().manual_seed(0) if generator is None else generator
        if self.basis.chunks is not None:
            draw_normal(self.basis.chunks, generator)
        if self.gates is not None:
            self.gates.zero_()
        if self.initialization == "plain":
            _reset_plain(self, generator)
        else:
            _reset_hyperfan(self, generator)

    def around(self, weights: Tensor | None) -> None:
        """Sets the constant o: h then generates differences to `weights` `(P,)`, whatever the embedding.

        It is no part of the saved state. None restores the o with which the hypernetwork was made.
        """
        offset = gain_offset(self.shapes) if weights is None else weights
        if offset.shape != (self.size,):
            raise ValueError(f"expected one weight for each of the {self.size:,} generated; got {tuple(offset.shape)}")
        needed = weights is not None or (self.initialization == "hyperfan" and bool(offset.any()))
        self.offset = offset.detach().to(self.output.weight) if needed else None

    def forward(self, embeddings: Tensor) -> Tensor:
        """Generates the weights of every task given.

        Args:
            embeddings: `(T, d_e)`.

        Returns:
            `(T, P)`; `params.unpack` gives them their names.

        Raises:
            ValueError: if `embeddings` has another shape.
        """
        check_embeddings(embeddings, self.embedding_dim)
        flat = self.output(self.basis(embeddings)).flatten(1)  # (T, K * C)
        if flat.shape[1] > self.size:
            flat = flat[:, : self.size]  # the last chunk is truncated
        if self.gates is not None and self.gate_of is not None:
            flat = flat * torch.cat([self.gates.new_ones(1), self.gates])[self.gate_of]
        return flat if self.offset is None else flat + self.offset

    def extra_repr(self) -> str:
        weights = sum(p.numel() for p in self.parameters())
        return f"{weights:,} weights generate {self.size:,} in {self.num_chunks} chunk(s)"


def _places(shapes: Mapping[str, torch.Size], zero: Collection[str]) -> Tensor:
    """For every scalar, which gate it passes: 1 + the position of its name in `zero`; 0 for none. `(P,)`."""
    unknown = [name for name in zero if name not in shapes]
    if unknown:
        raise ValueError(f"expected names of target weights in zero=; got {unknown}, which are none")
    place = {name: i for i, name in enumerate(zero, 1)}
    return torch.cat([torch.full((shape.numel(),), place.get(name, 0)) for name, shape in shapes.items()])


def _reset_plain(net: Hypernetwork, generator: torch.Generator) -> None:
    for layer in net.modules():
        if isinstance(layer, nn.Linear):
            draw_xavier(layer, generator)


def _reset_hyperfan(net: Hypernetwork, generator: torch.Generator) -> None:
    basis, output = net.basis, net.output
    for layer in basis.layers:
        draw_he(cast(nn.Linear, layer), generator)
    if basis.bottleneck is not None:
        draw_he(basis.bottleneck, generator, gain=1.0)
    draw_normal(output.weight, generator)
    zero_bias(output)
    std = hyperfan_std(net.shapes).to(output.weight)
    if basis.scale is None:
        output.weight.mul_((std / _feature_norm(net, generator))[:, None])  # Var(Wφ) = Var(W) E|φ|²
    else:
        output.weight.mul_(1 / math.sqrt(basis.width))
        basis.scale.fill_(1)
        norm = _feature_norm(net, generator) / math.sqrt(basis.width)
        basis.scale.copy_(chunk_rms(std, net.chunk_size) / norm)


def _feature_norm(net: Hypernetwork, generator: torch.Generator) -> Tensor:
    """√E|φ|² over embeddings from N(0, 1): `(K, 1)`, or a scalar without chunks."""
    embeddings = torch.empty(SAMPLES, net.embedding_dim).to(net.output.weight)
    draw_normal(embeddings, generator)
    norm = net.basis(embeddings).square().sum(-1).mean(0).sqrt()  # (K,)
    return norm[:, None] if net.basis.scale is not None else norm[0]


def _linear(inputs: int, outputs: int, *, bias: bool = True) -> nn.Linear:
    """A linear layer whose memory is not filled yet; torch's own constructor would draw from the global generator."""
    return nn.utils.skip_init(nn.Linear, inputs, outputs, bias=bias)
