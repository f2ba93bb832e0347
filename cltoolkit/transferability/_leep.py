"""LEEP and NCE: how well the source model's own classes tell the target's."""

import torch
from torch import Tensor

from ._inputs import check_labels, check_probabilities, present_classes


def leep(probabilities: Tensor, labels: Tensor) -> Tensor:
    """Log expected empirical prediction (1/n) Σ_i log Σ_z P(y_i | z) θ_iz.

    θ_i are the source model's class probabilities for example i of the target, P(y, z) = (1/n) Σ_{i: y_i = y} θ_iz and
    P(y | z) = P(y, z) / P(z): the likelihood of the labels when a source class is drawn first, then a target class.
    With one-hot θ it is `nce`.

    Args:
        probabilities: `(*batch, n, z)`, rows that sum to 1.
        labels: `(n,)`, whole numbers, the target's classes.

    Returns:
        `(*batch,)`, float64, at most 0; larger is easier transfer. A source class without any mass counts for nothing.

    Raises:
        ValueError: if a shape does not fit, fewer than two classes are present, or the rows are no probabilities.

    References:
        Nguyen et al., LEEP: A New Measure to Evaluate Transferability of Learned Representations, ICML 2020, eq. 1-2.

    Example:
        >>> certain = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
        >>> leep(torch.stack([certain, torch.full((4, 2), 0.5)]), torch.tensor([0, 0, 1, 1])).tolist()
        [0.0, -0.693147...]
    """
    theta = check_probabilities(probabilities)  # (*, n, z)
    classes = present_classes(labels, theta, theta.shape[-2])
    joint = classes.one_hot().T @ theta  # (*, C, z), n P(y, z)
    mass = joint.sum(-2, keepdim=True)
    conditional = torch.where(mass > 0, joint / torch.where(mass > 0, mass, 1.0), 0.0)
    expected = (theta * conditional[..., classes.index, :]).sum(-1)
    return expected.log().mean(-1)


def nce(source_labels: Tensor, labels: Tensor) -> Tensor:
    """Negative conditional entropy −H(Y | Z) = Σ_z Σ_y P(y, z) log P(y | z) of target labels given source labels.

    Args:
        source_labels: `(*batch, n)`, whole numbers, the classes that source models give the target's examples.
        labels: `(n,)`, whole numbers, the target's classes.

    Returns:
        `(*batch,)`, float64, in [−log C, 0]; larger is easier transfer. It grows by chance too, by about
        (Z − 1)(C − 1) / (2 n) for Z source classes.

    Raises:
        ValueError: if a shape does not fit, or fewer than two classes are present.

    References:
        Tran et al., Transferability and Hardness of Supervised Classification Tasks, ICCV 2019, eq. 6-7.

    Example:
        >>> nce(torch.tensor([[3, 3, 5, 5], [3, 5, 3, 5]]), torch.tensor([0, 0, 1, 1])).tolist()
        [0.0, -0.693147...]
    """
    given = torch.as_tensor(source_labels)
    if given.ndim < 1 or 0 in given.shape:
        raise ValueError(f"expected source labels of shape (*batch, n); got {tuple(given.shape)}")
    flat = check_labels(given.flatten(), given, given.numel(), "source labels")
    classes = present_classes(labels, flat, given.shape[-1])
    numbers, z = flat.unique(return_inverse=True)
    rows = z.view(-1, given.shape[-1])  # (b, n)
    sources = torch.arange(len(rows), device=rows.device)[:, None]
    cells = (sources * len(numbers) + rows) * len(classes) + classes.index
    joint = torch.bincount(cells.flatten(), minlength=len(rows) * len(numbers) * len(classes)).double()
    joint = joint.view(len(rows), len(numbers), len(classes)) / given.shape[-1]  # P(y, z)
    conditional = joint / joint.sum(-1, keepdim=True).clamp(min=1e-300)
    return torch.special.xlogy(joint, conditional).sum((-2, -1)).view(given.shape[:-1])
