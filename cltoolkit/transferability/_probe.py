"""What a linear classifier makes of features that stay as they are."""

import torch
from torch import Tensor

__all__ = ["PENALTIES", "probe_accuracy"]

PENALTIES = tuple(10.0**e for e in range(-4, 4))


def probe_accuracy(train: Tensor, train_y: Tensor, test: Tensor, test_y: Tensor) -> Tensor:
    """Test accuracy of regularized least-squares classification on frozen features.

    W minimizes ‖F W + b − Y‖² + λ ‖W‖², Y one-hot, the intercept b free; the class with the largest output wins. λ is
    the one of `PENALTIES` (times the mean squared norm of the centered features) with the best leave-one-out accuracy
    on the training features, which has a closed form: y_i − ŷ_(−i) = (y_i − ŷ_i) / (1 − h_ii). Of equals the largest
    wins. There is nothing to tune and nothing to draw.

    Args:
        train: `(m, d)`.
        train_y: `(m,)`, any whole numbers.
        test: `(n, d)`.
        test_y: `(n,)`.

    Returns:
        Scalar float64, a fraction.

    References:
        Rifkin and Lippert, Notes on Regularized Least Squares, 2007 (leave-one-out).

    Example:
        >>> labels = torch.arange(20) % 2
        >>> float(probe_accuracy(labels[:, None].float(), labels, labels[:4, None].float(), labels[:4]))
        1.0
    """
    classes, y = train_y.unique(return_inverse=True)
    mean = train.double().mean(0)
    left, size, right = torch.linalg.svd(train.double() - mean, full_matrices=False)
    one_hot = torch.nn.functional.one_hot(y, len(classes)).double()
    share = one_hot.mean(0)
    inner = left.mT @ (one_hot - share)  # (r, k)
    square = size**2
    best, chosen = -1.0, size
    for penalty in PENALTIES:
        kept = square / (square + penalty * square.sum() / len(y) + torch.finfo(square.dtype).tiny)
        fitted = share + left @ (kept[:, None] * inner)
        lever = 1 / len(y) + (left**2 * kept).sum(1)
        without = one_hot - (one_hot - fitted) / (1 - lever).clamp_min(1e-12)[:, None]
        right_ones = float((without.argmax(1) == y).double().mean())
        if right_ones >= best:
            best, chosen = right_ones, kept
    inverse = torch.where(size > size.amax() * 1e-10, chosen / size.clamp_min(1e-300), 0.0)
    weights = right.mT @ (inverse[:, None] * inner)  # (d, k)
    answers = classes[(share + (test.double() - mean) @ weights).argmax(1)]
    return (answers == test_y).double().mean()
