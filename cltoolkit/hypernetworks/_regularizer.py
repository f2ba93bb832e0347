"""The output regularizer: earlier tasks' generated weights must stay where they were."""

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.func import functional_call

from ._checks import check_embeddings, check_name, check_positive
from ._hypernetwork import Hypernetwork

__all__ = ["OutputRegularizer", "cheaper_form", "deal", "output_distance", "output_distance_gram"]

FORMS = ("auto", "batched", "gram")


def cheaper_form(*, rows: int, width: int, outputs: int) -> str:
    """Which exact form of the regularizer takes fewer multiply-adds: "batched" or "gram".

    With m rows (tasks × chunks), h features and C outputs of the last layer, the batched form takes m h C for the
    outputs and as much for each of two gradients: 3 m h C. The Gram form takes 3 h² C for QᵀQ, 2 h² C for the gradient
    of W, and (2h)² m for each of Σ z zᵀ and the gradient of z: 5 h² C + 8 h² m. The answer depends on shapes alone,
    never on data; for C ≫ h, "gram" pays from m > 5h / 3 rows on.

    Args:
        rows: m, tasks compared per step × chunks.
        width: h, features of the last layer.
        outputs: C, outputs of the last layer.

    Returns:
        "batched" or "gram".

    Example:
        >>> cheaper_form(rows=16, width=64, outputs=7000), cheaper_form(rows=16 * 67, width=64, outputs=7000)
        ('batched', 'gram')
    """
    batched = 3 * rows * width * outputs
    gram = 5 * width**2 * outputs + 8 * width**2 * rows
    return "gram" if gram < batched else "batched"


def deal(tasks: int, drawn: int, generator: torch.Generator, part: int, device: torch.device) -> Tensor | None:
    """The tasks of one step out of a permutation dealt out in parts: `(drawn,)` indices, or None for all tasks.

    Args:
        tasks: how many there are.
        drawn: how many of them one step takes.
        generator: draws the permutation; the same state in every step of one round.
        part: number of the step within its round.
        device: where the indices shall be.

    Example:
        >>> deal(3, 3, torch.Generator(), 0, torch.device("cpu")) is None
        True
    """
    if drawn == tasks:
        return None
    dealt = torch.randperm(tasks, generator=generator, device=generator.device)
    places = torch.arange(part * drawn, (part + 1) * drawn, device=dealt.device)
    return dealt[places % tasks].to(device)


def output_distance(outputs: Tensor, targets: Tensor, mask: Tensor | None = None) -> Tensor:
    """Mean over tasks of the squared distance of their weights: 1/m Σ_n |h(e_n; θ) − h(e_n; θ*)|², 0 for no task.

    Args:
        outputs: `(m, P)`, weights generated now.
        targets: `(m, P)`, those to keep.
        mask: `(m, P)`, True for the weights compared; by default all.

    Returns:
        Scalar.

    References:
        von Oswald et al., Continual learning with hypernetworks, ICLR 2020, eq. 2.

    Example:
        >>> output_distance(torch.tensor([[1.0, 2.0], [3.0, 3.0]]), torch.zeros(2, 2))
        tensor(11.5000)
    """
    if mask is not None:
        outputs = torch.where(mask, outputs, targets)
    return F.mse_loss(outputs, targets, reduction="sum") / max(len(targets), 1)


def output_distance_gram(
    features: Tensor,
    weight: Tensor,
    bias: Tensor,
    old_features: Tensor,
    old_weight: Tensor,
    old_bias: Tensor,
    *,
    size: int,
) -> Tensor:
    """`output_distance` of two linear layers without their outputs, at a cost that hardly grows with the tasks.

    The residual of one row is W'φ' − Wφ + b' − b = (W' − W) φ' + (b' − b) + W (φ' − φ) = Q z with Q = [W' − W, b' − b,
    W] and z = [φ'; 1; φ' − φ], so the sum over rows is Σ |Q z|² = ⟨QᵀQ, Σ z zᵀ⟩. Differences come first, so no large
    terms cancel and at θ = θ* the value and its gradient are exactly 0. The last chunk has r = size − (K − 1) C
    outputs: the first r rows of Q meet the z of every chunk, the others those of all chunks but the last.

    Args:
        features: φ', `(m, K, h)`, now.
        weight: W', `(C, h)`.
        bias: b', `(C,)`.
        old_features: φ, `(m, K, h)`, constant.
        old_weight: W, `(C, h)`, constant.
        old_bias: b, `(C,)`, constant.
        size: P, the outputs of all K chunks that count; (K − 1) C < P ≤ K C.

    Returns:
        Scalar; differentiable in `features`, `weight` and `bias`.

    Example:
        >>> old, new = torch.zeros(1, 2), torch.ones(1, 2)                                # one output of two features
        >>> phi = torch.ones(3, 1, 2)                                                     # three tasks
        >>> output_distance_gram(phi, new, torch.ones(1), phi, old, torch.zeros(1), size=1)
        tensor(9.)
    """
    tasks, chunks, _ = features.shape
    z = torch.cat([features, features.new_ones(tasks, chunks, 1), features - old_features], -1)  # (m, K, 2h + 1)
    moving = torch.cat([weight - old_weight, (bias - old_bias)[:, None]], 1)  # (C, h + 1)
    kept = size - (chunks - 1) * len(weight)  # r
    return _Residual.apply(moving, old_weight, z[:, :-1].flatten(0, 1), z[:, -1], kept) / max(tasks, 1)


class OutputRegularizer(nn.Module):
    """L_c = 1/(t − 1) Σ_{n < t} |h(e_n; θ + Δθ) − h(e_n; θ*)|², with θ* the weights before task t.

    Made once before a task, when the hypernetwork still is at θ*. It computes one value in the cheaper of two exact
    forms (`cheaper_form`), and past `max_tasks` earlier tasks each step compares a random subset of them: divided by
    its size, an unbiased estimate whose cost does not grow any more. Without earlier tasks the value is 0.

    Everything it remembers is a buffer: make one for the same embeddings, whatever the hypernetwork's weights, then
    `load_state_dict`, and training goes on to the same bytes.

    Args:
        hypernet: the hypernetwork at θ*.
        embeddings: `(t − 1, d_e)` of the earlier tasks; copied, and constant.
        form: "batched", "gram", or "auto" for the cheaper one.
        max_tasks: how many earlier tasks one step compares at most; None for all, always.
        mask: `(t − 1, P)`, True for the weights to be compared (e.g. shared ones and the task's own head); by default
            all.

    Attributes:
        num_tasks: t − 1.
        num_drawn: how many of them one step compares.
        num_parts: how many steps it takes to compare all of them.
        form: "batched" or "gram".

    Raises:
        ValueError: if a shape does not fit, `max_tasks` is not positive, the form is unknown, or a mask or gates meet
            the Gram form.

    References:
        von Oswald et al., Continual learning with hypernetworks, ICLR 2020, eq. 2 and §2.1.

    Example:
        >>> hypernet = Hypernetwork({"weight": torch.Size([2, 3])}, embedding_dim=4)
        >>> embeddings = torch.eye(4)
        >>> regularizer = OutputRegularizer(hypernet, embeddings[:3])
        >>> weights, penalty = regularizer(hypernet, embeddings[3:])                      # one batch: now and earlier
        >>> weights.shape, round(penalty.item(), 6)
        (torch.Size([1, 6]), 0.0)
    """

    embeddings: Tensor
    mask: Tensor | None
    targets: Tensor
    features: Tensor
    weight: Tensor
    bias: Tensor

    def __init__(
        self,
        hypernet: Hypernetwork,
        embeddings: Tensor,
        *,
        form: str = "auto",
        max_tasks: int | None = 16,
        mask: Tensor | None = None,
    ) -> None:
        super().__init__()
        check_embeddings(embeddings, hypernet.embedding_dim)
        check_name("form", form, FORMS)
        check_positive(max_tasks=1 if max_tasks is None else max_tasks)
        self.num_tasks = len(embeddings)
        self.num_drawn = self.num_tasks if max_tasks is None else min(self.num_tasks, max_tasks)
        self.num_parts = -(-self.num_tasks // max(self.num_drawn, 1))
        if mask is not None:
            form = _masked_form(form, mask, (self.num_tasks, hypernet.size))
        if hypernet.gates is not None:
            form = _gated_form(form)
        if form == "auto":
            rows = self.num_drawn * hypernet.num_chunks
            form = cheaper_form(rows=rows, width=hypernet.basis.width, outputs=hypernet.chunk_size)
        self.form = form
        self.register_buffer("embeddings", embeddings.detach().clone())
        self.register_buffer("mask", None if mask is None else mask.clone())
        for name, value in (_remember_outputs if form == "batched" else _remember_layer)(
            hypernet, self.embeddings
        ).items():
            self.register_buffer(name, value)

    def sample(self, generator: torch.Generator, part: int = 0) -> Tensor | None:
        """The earlier tasks of one step: `(num_drawn,)` different indices, or None for all of them.

        A permutation of the tasks is dealt out in parts: `num_parts` steps with equal generators see every task, so
        that none is left alone for long. Each part by itself is a uniformly random subset.

        Args:
            generator: draws the permutation; the same state in every step of one round.
            part: number of the step within its round, from 0 to `num_parts` - 1.
        """
        return deal(self.num_tasks, self.num_drawn, generator, part, self.embeddings.device)

    def forward(self, hypernet: Hypernetwork, embeddings: Tensor, tasks: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Weights of the current task and L_c; in the batched form from one batch, hence one product for W's gradient.

        Args:
            hypernet: the hypernetwork at θ.
            embeddings: `(b, d_e)`, what the current task needs generated; its gradient does not come from L_c.
            tasks: the earlier tasks compared, as `sample` draws them; by default all.

        Returns:
            The weights `(b, P)`, and L_c, a scalar.
        """
        if self.form == "gram":
            return hypernet(embeddings), self.penalty(hypernet, tasks)
        earlier = self._of("embeddings", tasks)
        outputs = hypernet(torch.cat([embeddings, earlier]))
        current, outputs = outputs.split([len(embeddings), len(earlier)])
        return current, self._distance(outputs, tasks)

    def penalty(
        self, hypernet: Hypernetwork, tasks: Tensor | None = None, *, shift: Mapping[str, Tensor] | None = None
    ) -> Tensor:
        """L_c alone.

        Args:
            hypernet: the hypernetwork at θ.
            tasks: the earlier tasks compared, as `sample` draws them; by default all.
            shift: Δθ by parameter name, a constant, as `adam_lookahead` gives it; absent names count as 0.

        Returns:
            Scalar.
        """
        moved = {name: p + shift[name] if shift and name in shift else p for name, p in hypernet.named_parameters()}
        earlier = self._of("embeddings", tasks)
        if self.form == "batched":
            return self._distance(functional_call(hypernet, moved, (earlier,)), tasks)
        basis = {name.removeprefix("basis."): p for name, p in moved.items() if name.startswith("basis.")}
        return output_distance_gram(
            functional_call(hypernet.basis, basis, (earlier,)),
            moved["output.weight"],
            moved["output.bias"],
            self._of("features", tasks),
            self.weight,
            self.bias,
            size=hypernet.size,
        )

    def extra_repr(self) -> str:
        return f"{self.num_drawn} of {self.num_tasks} earlier tasks per step, {self.form} form"

    def _distance(self, outputs: Tensor, tasks: Tensor | None) -> Tensor:
        return output_distance(
            outputs, self._of("targets", tasks), None if self.mask is None else self._of("mask", tasks)
        )

    def _of(self, name: str, tasks: Tensor | None) -> Tensor:
        remembered = self.get_buffer(name)
        return remembered if tasks is None else remembered[tasks]


class _Residual(torch.autograd.Function):
    """Σ |Q z|² over all z, of which those of the last chunk meet only the first `kept` rows of Q = [moving, fixed].

    = ⟨QᵀQ, S⟩ + ⟨RᵀR, S_last⟩ with S = Σ z zᵀ without the last chunk's, and R the first rows of Q. The gradients are 2
    Q S for Q, of which only the moving columns are computed, and 2 QᵀQ z for z, with the products QᵀQ that the value
    needed anyway.
    """

    @staticmethod
    def forward(ctx: Any, moving: Tensor, fixed: Tensor, z: Tensor, z_last: Tensor, kept: int) -> Tensor:
        gram_last = _gram(moving[:kept], fixed[:kept])
        gram = gram_last + _gram(moving[kept:], fixed[kept:])
        moment, moment_last = z.T @ z, z_last.T @ z_last
        ctx.kept = kept
        ctx.save_for_backward(moving, fixed, z, z_last, gram, gram_last, moment, moment_last)
        return (gram * moment).sum() + (gram_last * moment_last).sum()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        moving, fixed, z, z_last, gram, gram_last, moment, moment_last = ctx.saved_tensors
        columns, kept = moving.shape[1], ctx.kept
        by_moving = torch.empty_like(moving)
        for rows, s in ((slice(None, kept), moment + moment_last), (slice(kept, None), moment)):
            by_moving[rows] = moving[rows] @ s[:columns, :columns] + fixed[rows] @ s[columns:, :columns]
        return by_moving * (2 * grad), None, z @ gram * (2 * grad), z_last @ gram_last * (2 * grad), None


def _gram(moving: Tensor, fixed: Tensor) -> Tensor:
    """QᵀQ of Q = [moving, fixed], without Q."""
    cross = moving.T @ fixed
    return torch.cat([torch.cat([moving.T @ moving, cross], 1), torch.cat([cross.T, fixed.T @ fixed], 1)])


@torch.no_grad()
def _remember_outputs(hypernet: Hypernetwork, embeddings: Tensor) -> dict[str, Tensor]:
    return {"targets": hypernet(embeddings)}


@torch.no_grad()
def _remember_layer(hypernet: Hypernetwork, embeddings: Tensor) -> dict[str, Tensor]:
    weight, bias = hypernet.output.weight.detach().clone(), hypernet.output.bias.detach().clone()
    return {"features": hypernet.basis(embeddings), "weight": weight, "bias": bias}


def _gated_form(form: str) -> str:
    if form == "gram":
        raise ValueError(
            "behind gates, chunks pass different linear maps, which the Gram form cannot sum up; use form='auto'"
        )
    return "batched"


def _masked_form(form: str, mask: Tensor, shape: tuple[int, int]) -> str:
    if form == "gram":
        raise ValueError("the Gram form compares all weights; use form='batched' or 'auto' with a mask")
    if mask.dtype != torch.bool or tuple(mask.shape) != shape:
        raise ValueError(f"expected a boolean mask of shape {shape}; got {mask.dtype} of shape {tuple(mask.shape)}")
    return "batched"
