"""Which task inputs are from, asked of all masks of a learner at once; and their answer under the mask found."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Literal, get_args

import torch
from torch import Tensor

from ..masks import (
    Masks,
    Superposition,
    binary,
    entropy,
    exhaustive,
    one_shot,
    over_real_units,
    pack_bits,
    superfluous_energy,
)
from ..params import Params, Stateless
from ..tasks import closed
from ._base import check_choice
from ._inference import Finder

if TYPE_CHECKING:
    from ._mask_learner import MaskLearner

__all__ = [
    "Objective",
    "Search",
    "aim",
    "answers",
    "by_superposition",
    "check_inference",
    "infer",
    "mask_finder",
    "superposition",
]

Search = Literal["auto", "one_shot", "binary", "exhaustive"]
Objective = Literal["entropy", "superfluous"]


def check_inference(inference: str, objective: str, images: int) -> None:
    """Raises a ValueError for a way to find tasks that does not exist, or cannot be."""
    check_choice("inference", inference, get_args(Search))
    check_choice("objective", objective, get_args(Objective))
    if images < 1:
        raise ValueError(f"expected images of at least 1, inputs that share one decision; got {images!r}")
    if inference == "exhaustive" and objective == "superfluous":
        raise ValueError(
            "the objective of superfluous units is a gradient: masks cannot be compared by its value. "
            "Use inference='one_shot' or 'binary', or objective='entropy'."
        )


def infer(
    learner: "MaskLearner",
    x: Tensor,
    *,
    method: Search = "auto",
    objective: Objective = "entropy",
    images: int = 1,
    all_outputs: bool = True,
) -> Tensor:
    """The task that inputs seem to come from; so many of them share one decision.

    Args:
        learner: knows at least one task.
        x: `(n, *input_shape)`; successive `images` share a decision, and the last group may be smaller.
        method: "one_shot": one forward and one backward pass of all masks mixed; "binary": ⌈log₂ T⌉ of them, each
            with half of the masks of the one before; "exhaustive": a forward pass of each mask by itself, by entropy;
            "auto": one-shot, or exhaustive where batch norm would need the statistics of a single image, or the loss
            did not run over all outputs: mixtures tell tasks less well then.
        objective: what is small where a mask knows the input: "entropy" of the answer, or the energy of "superfluous"
            units, see `masks.superfluous_energy`.
        images: r, inputs that share a decision.
        all_outputs: whether the loss ran over all outputs in training. If it did not, entropies are those of units
            that stand for a class.

    Returns:
        `(n,)` task numbers.

    Raises:
        ValueError: if a choice is unknown, no task is known, superfluous units shall tell the task and there are none,
            or they had no part in the loss, or batch norm would have to take its statistics from one image.

    References:
        Wortsman et al., Supermasks in Superposition, NeurIPS 2020, §3.3.
    """
    return _of_learner(learner, method, objective, images, all_outputs=all_outputs)(x)


def by_superposition(
    learner: "MaskLearner", *, method: Search, objective: Objective, images: int, all_outputs: bool
) -> Finder:
    """What finds the task of inputs as `infer` does, and answers under the mask found, among the units of its task.

    From the learner as it is now; the task that is being learned counts among the known.
    """
    find_tasks = _of_learner(learner, method, objective, images, all_outputs=all_outputs)

    def find(x: Tensor) -> tuple[Tensor, Tensor]:
        tasks = find_tasks(x)
        return tasks, answers(learner.net, x, tasks, learner.params, learner.outputs.__getitem__)

    return find


def answers(
    net: Stateless, x: Tensor, which: Tensor, params: Callable[[int], Params], units: Callable[[int], Sequence[int]]
) -> Tensor:
    """The output unit `(n,)` that answers each input under the weights whose number `(n,)` is given with it."""
    found = torch.empty_like(which)
    for i in which.unique().tolist():
        own = which == i
        logits = net(params(i), x[own])
        found[own] = (logits + closed(tuple(units(i)), logits)).argmax(1)
    return found


def superposition(
    learner: "MaskLearner", objective: Objective = "entropy", *, all_outputs: bool = True
) -> Superposition:
    """All masks that a learner knows, over its weights as they are now.

    Raises:
        ValueError: if it knows no task.
    """
    t, bits, base = learner.num_tasks, learner.bits, learner.base
    if learner.learning:
        mask = learner.masks[t] if len(bits) > t else learner.select(learner.scores).bool()
        bits = torch.cat([bits[:t], pack_bits(mask)[None]])
        base = torch.where(mask, learner.layout.pack(learner.params(t)), base)
    rest = learner.rest.values() | learner.statistics.values()
    return Superposition(
        learner.net,
        base,
        Masks(bits, learner.layout),
        rest,
        aim(objective, learner.seen_units, base.device, all_outputs=all_outputs),
    )


def aim(
    objective: Objective, seen: Sequence[int], device: torch.device, *, all_outputs: bool = True
) -> Callable[[Tensor], Tensor]:
    """The objective of that name, where the units `seen` stand for classes."""
    with torch.inference_mode(False):  # gradients pass it
        units = torch.tensor(seen, device=device)
    if objective == "superfluous":
        return partial(_superfluous, units=units)
    return entropy if all_outputs else partial(over_real_units, units=units)


def _superfluous(logits: Tensor, units: Tensor) -> Tensor:
    if logits.shape[-1] <= len(units):
        raise ValueError(
            f"all {logits.shape[-1]} outputs of the network stand for classes seen, so that none is superfluous; "
            "build the network with more (such as 100), or use objective='entropy'"
        )
    return superfluous_energy(logits, units)


def _of_learner(
    learner: "MaskLearner", method: Search, objective: Objective, images: int, *, all_outputs: bool
) -> Callable[[Tensor], Tensor]:
    """Inputs `(n, *input_shape)` → task numbers `(n,)`."""
    check_inference(method, objective, images)
    if method == "auto" and not all_outputs:
        method = "exhaustive"
    if objective == "superfluous" and not all_outputs:
        raise ValueError(
            "the loss ran over the units of each task alone, so that superfluous ones cannot tell which inputs "
            "a mask knows; train with loss_over='all', or use objective='entropy'"
        )
    every = superposition(learner, objective, all_outputs=all_outputs)
    units = None if all_outputs else learner.outputs[: learner.known]
    return mask_finder(every, method, images, units=units, own=_statistics(learner))


def mask_finder(
    every: Superposition,
    method: Search,
    images: int,
    *,
    units: Sequence[Sequence[int]] | None = None,
    own: Params | None = None,
) -> Callable[[Tensor], Tensor]:
    """Inputs `(n, *input_shape)` → the number of a mask `(n,)`; `images` in succession share one decision."""
    if method == "auto":
        method = "exhaustive" if images < every.least_images else "one_shot"
    ways: dict[str, Callable[[Tensor], Tensor]] = {
        "one_shot": partial(one_shot, every),
        "binary": partial(binary, every),
        "exhaustive": partial(exhaustive, every, units=units, own=own),
    }
    return partial(_grouped, ways[method], images=images, least=every.least_images)


def _statistics(learner: "MaskLearner") -> Params:
    """The batch-norm statistics of every known task, each `(T, *shape)`."""
    rows = learner.own_statistics.rows() if learner.num_tasks else {}
    if not learner.learning:
        return rows
    live = {name: value[None] for name, value in learner.statistics.values().items()}
    return {name: torch.cat([rows[name], row]) if name in rows else row for name, row in live.items()}


def _grouped(decide: Callable[[Tensor], Tensor], x: Tensor, images: int, *, least: int) -> Tensor:
    """One decision for each `images` successive inputs `(n,)`; a last group too small joins the one before."""
    full = len(x) // images * images
    if full and 0 < len(x) - full < least:
        full -= images
    parts = []
    if full:
        parts.append(decide(x[:full].unflatten(0, (-1, images))).repeat_interleave(images))
    if full < len(x):
        parts.append(decide(x[full:][None]).expand(len(x) - full))
    return torch.cat(parts)
