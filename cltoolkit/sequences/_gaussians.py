"""Tasks whose relation is known: clusters with class means that tasks share to a chosen degree."""

from collections.abc import Sequence

import torch
from torch import Tensor

from ..randomness import stream
from ..recipes import recipe
from ..tasks import Examples, Scenario, TaskSequence
from ._groups import numbered
from ._parts import Labelled, Plan

__all__ = ["related_gaussians"]


@recipe
def related_gaussians(
    num_tasks: int = 5,
    *,
    relatedness: float | Sequence[Sequence[float]] = 0.5,
    groups: Sequence[int] | None = None,
    dim: int = 16,
    classes: int = 2,
    separation: float = 4.0,
    train: int = 200,
    test: int = 200,
    order: Sequence[int] | None = None,
    scenario: Scenario = "task",
    validation: float = 0.1,
    seed: int = 0,
) -> TaskSequence:
    """Gaussian classes whose means are related between tasks exactly as asked.

    Task t draws class c from N(m_tc, I). With M_t = (m_t1, ..., m_tk), centered over classes, the tasks' true relation
    is the cosine

        R_ts = ⟨M_t, M_s⟩ / (‖M_t‖ ‖M_s‖),

    and it holds exactly, not only on average: M = separation · √((k − 1) / 2) · R^½ G with orthonormal rows in G. It is
    kept in `.relation`.

    Args:
        num_tasks: T.
        relatedness: ρ in [0, 1], with R_ts = ρ for all t ≠ s: at 0 tasks have nothing in common, at 1 the means are the
            same. Or all of R `(T, T)`: symmetric, ones on its diagonal, positive semi-definite.
        groups: `(T,)`, a number for each task: tasks of different groups are unrelated, ρ holds within a group.
        dim: d, the inputs are `(d,)`.
        classes: k, the number of classes in each task, labelled 0..k − 1 in all of them.
        separation: root mean square distance between two class means, in units of the clusters' standard deviation. Two
            classes are then told apart with an error of at best Φ(−separation / 2): 2.3 % at 4.
        train: examples of each class for training and validation.
        test: examples of each class for testing.
        order: in which order the tasks come; a part of them is allowed.
        scenario: "task", "domain" or "class", see `TaskSequence.as_scenario`.
        validation: fraction of each class's training examples that is set apart; 0 for none.
        seed: draws means and examples.

    Raises:
        ValueError: if R is no such matrix, or the tasks have no room, T > (k − 1) d.

    Example:
        >>> related_gaussians(3, relatedness=0.8, groups=[0, 0, 1]).relation
        tensor([[1.0000, 0.8000, 0.0000],
                [0.8000, 1.0000, 0.0000],
                [0.0000, 0.0000, 1.0000]])
    """
    if classes < 2 or dim < 1:
        raise ValueError(f"expected at least two classes and one dimension; got classes={classes}, dim={dim}")
    plan = Plan(scenario=scenario, order=order, validation=validation, seed=seed)
    relation = _relation(num_tasks, relatedness, groups)
    means = separation * ((classes - 1) / 2) ** 0.5 * _related(relation, classes, dim, seed)  # (T, k, d)
    tasks = []
    for t, name in enumerate(numbered(num_tasks)):
        parts = {part: _clusters(means[t], n, seed, part, t) for part, n in (("train", train), ("test", test))}
        tasks.append(plan.task(name, Labelled(parts, tuple(range(classes)))))
    return plan.sequence(tasks, "related gaussians", relation.float())


def _relation(num_tasks: int, relatedness: float | Sequence[Sequence[float]], groups: Sequence[int] | None) -> Tensor:
    """R `(T, T)`, checked."""
    if num_tasks < 1:
        raise ValueError(f"expected at least one task; got num_tasks={num_tasks}")
    given = torch.as_tensor(relatedness, dtype=torch.float64)
    relation = given if given.ndim else given.expand(num_tasks, num_tasks).clone().fill_diagonal_(1)
    if relation.shape != (num_tasks, num_tasks):
        raise ValueError(
            f"expected relatedness as a number or as a ({num_tasks}, {num_tasks}) matrix; "
            f"got shape {tuple(given.shape)}"
        )
    if not bool(((relation >= 0) & (relation <= 1)).all()):
        raise ValueError(
            f"expected relatedness in [0, 1]; got values from {relation.min():.3g} to {relation.max():.3g}"
        )
    if not torch.allclose(relation, relation.T) or not torch.allclose(
        relation.diagonal(), torch.ones(1, dtype=torch.float64)
    ):
        raise ValueError(
            "expected relatedness as a symmetric matrix with ones on its diagonal: "
            "every task is fully related to itself"
        )
    if groups is not None:
        if len(groups) != num_tasks:
            raise ValueError(f"expected a group for each of the {num_tasks} tasks; got {len(groups)}")
        group = torch.tensor(groups)
        relation = relation * (group[:, None] == group)
    smallest = float(torch.linalg.eigvalsh(relation)[0])
    if smallest < -1e-9:
        raise ValueError(
            f"no tasks can be related like this: the matrix has the negative eigenvalue {smallest:.3g}. "
            "If a is close to b and b close to c, then a and c cannot be strangers; "
            "raise the small entries or lower the large ones."
        )
    return relation


def _related(relation: Tensor, classes: int, dim: int, seed: int) -> Tensor:
    """Class means `(T, k, d)`, centered over classes, of unit norm for each task, whose cosines are `relation`."""
    count = len(relation)
    if count > (classes - 1) * dim:
        raise ValueError(
            f"{count} tasks of {classes} classes find no room in {dim} dimensions: T ≤ (classes − 1) · dim is needed; "
            f"set dim to at least {-(-count // (classes - 1))}"
        )
    drawn = torch.stack(
        [torch.randn(classes, dim, generator=stream(seed, "means", t), dtype=torch.float64) for t in range(count)]
    )
    centered = drawn - drawn.mean(1, keepdim=True)
    basis = torch.linalg.qr(centered.flatten(1).T).Q.T  # (T, k·d), orthonormal rows
    values, vectors = torch.linalg.eigh(relation)
    root = vectors * values.clamp(min=0).sqrt() @ vectors.T
    return (root @ basis).view(count, classes, dim)


def _clusters(means: Tensor, n: int, seed: int, part: str, t: int) -> Examples:
    """`n` examples of each class about its mean; `means` is `(k, d)`."""
    classes, dim = means.shape
    noise = torch.randn(classes, n, dim, generator=stream(seed, "examples", part, t))
    x = means.float()[:, None] + noise
    return Examples(x.flatten(0, 1), torch.arange(classes).repeat_interleave(n))
