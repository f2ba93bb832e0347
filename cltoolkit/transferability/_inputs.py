"""What may come in: features, probabilities and labels, checked once at the door."""

from dataclasses import dataclass

import torch
from torch import Tensor

WHOLE = (torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool)
LARGEST = 1e30
BLOCK = 2**19  # numbers in one intermediate array: 4 MiB, so that several of them stay in the cache


@dataclass(frozen=True)
class Classes:
    """The classes that are present, numbered anew from 0.

    Attributes:
        index: `(n,)`, the new number of each example's class.
        numbers: `(k,)`, the labels themselves, ascending.
        counts: `(k,)`, examples of each class; none is 0.
    """

    index: Tensor
    numbers: Tensor
    counts: Tensor

    def __len__(self) -> int:
        return len(self.numbers)

    def one_hot(self) -> Tensor:
        """`(n, k)`, float64."""
        return torch.nn.functional.one_hot(self.index, len(self)).double()


def check_features(features: Tensor, name: str = "features") -> Tensor:
    """`(*batch, n, d)` of finite numbers, without gradient; whole numbers become float64."""
    values = torch.as_tensor(features).detach()
    if values.is_complex() or values.ndim < 2 or 0 in values.shape:
        raise ValueError(
            f"expected {name} of shape (*batch, n, d), one row per example; got {values.dtype} of shape "
            f"{tuple(values.shape)}; flatten the activations of each example: features.flatten(1)"
        )
    if not values.is_floating_point():
        return values.double()
    if float(torch.linalg.vector_norm(values)) <= LARGEST:  # fast, and not fooled: it is at least the largest of them
        return values
    largest, broken = float(values.abs().amax()), int((~values.isfinite()).sum())
    if largest <= LARGEST:
        return values
    if not broken:
        raise ValueError(
            f"expected {name} up to {LARGEST:g}, so that no sum of powers overflows; got {largest:.3g}; "
            "divide all of them by one number"
        )
    raise ValueError(
        f"expected finite {name}; got {broken} of {values.numel()} values that are NaN or infinite; "
        "look at the source model's activations, or drop the examples that cause them"
    )


def check_labels(labels: Tensor, like: Tensor, samples: int, name: str = "labels") -> Tensor:
    """`(n,)` whole numbers, on the device of `like`."""
    values = torch.as_tensor(labels)
    if values.dtype not in WHOLE:
        raise ValueError(f"expected whole numbers as {name}; got {values.dtype}; use labels.long() or argmax(-1)")
    if tuple(values.shape) != (samples,):
        raise ValueError(
            f"expected {name} of shape ({samples},), one for each row; got {tuple(values.shape)}; "
            "give one label per example, in the order of the rows"
        )
    return values.to(like.device, torch.int64)


def present_classes(labels: Tensor, like: Tensor, samples: int) -> Classes:
    """The classes among the labels; at least two."""
    numbers, index, counts = check_labels(labels, like, samples).unique(return_inverse=True, return_counts=True)
    check_two(numbers)
    return Classes(index, numbers, counts)


def check_two(numbers: Tensor) -> None:
    """Raises a ValueError unless there are two classes: with one there is nothing to tell apart."""
    if len(numbers) < 2:
        raise ValueError(
            f"expected examples of at least two classes; got {numbers.tolist()}; transfer to a single class is not "
            "defined: draw more examples, or join this task with another"
        )


def check_probabilities(probabilities: Tensor) -> Tensor:
    """`(*batch, n, z)` in float64, rows that sum to 1 exactly."""
    values = check_features(probabilities, "probabilities").double()
    total = values.sum(-1, keepdim=True)
    if bool((values < 0).any()) or bool(((total - 1).abs() > 1e-2).any()):
        raise ValueError(
            "expected probabilities: rows that are not negative and sum to 1; got values from "
            f"{float(values.min()):.3g} to {float(values.max()):.3g} with sums from {float(total.min()):.3g} to "
            f"{float(total.max()):.3g}; give logits.softmax(-1)"
        )
    return values / total


def compact(features: Tensor) -> Tensor:
    """The same rows in coordinates of their own span where d > n: `(*, n, min(n, d))`, float64.

    With the QR decomposition Fᵀ = Q R the rows of Rᵀ have the inner products of the rows of F, so that all that is
    invariant under rotation costs O(n² d) instead of O(d³).
    """
    values = features.double()
    if values.shape[-1] <= values.shape[-2]:
        return values
    return torch.linalg.qr(values.mT, mode="r").R.mT


def center(features: Tensor) -> Tensor:
    """`(*, n, d)` in float64 about the mean of the rows; features that vary less than rounding are 0 exactly."""
    mean = features.mean(-2, keepdim=True, dtype=torch.float64)
    x = features.double() - mean
    x = x - x.mean(-2, keepdim=True)  # the mean of large numbers is rounded, that of their differences hardly
    live = varies(x.square().sum(-2, keepdim=True), mean, features.shape[-2], torch.finfo(features.dtype).eps)
    return x if bool(live.all()) else x * live


def varies(squares: Tensor, mean: Tensor, samples: int, eps: float) -> Tensor:
    """Whether a feature, with these squares about its mean, varies more than its rounding does: std > ε |mean|."""
    return squares > samples * (eps * mean).square()


def shared_credit(votes: Tensor, index: Tensor, slack: float | Tensor = 0.0) -> Tensor:
    """1 where the class `index` alone has the most votes, 1/m where it shares the lead with m − 1 others, else 0.

    Sharing is what breaking ties at random gives on average, yet is the same for any order of examples and classes.

    Args:
        votes: `(*, n, k)`.
        index: `(n,)`, the class of each row.
        slack: votes that differ by less are equal.
    """
    leads = votes >= votes.amax(-1, keepdim=True) - slack
    own = leads.gather(-1, index.expand(leads.shape[:-1])[..., None])[..., 0]
    return own.double() / leads.sum(-1)
