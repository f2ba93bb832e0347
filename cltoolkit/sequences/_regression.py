"""Regression: tasks whose targets are real numbers, small enough to draw all that a box of weights predicts."""

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from ..randomness import stream
from ..recipes import recipe
from ..tasks import Examples, Scenario, Task, TaskSequence
from ._parts import Plan

__all__ = ["gaussian_densities", "hermite"]

Draw = Callable[[int, torch.Generator], Tensor]
Truth = Callable[[Tensor], Tensor]
MIDDLE, SPREAD, DENSITY = 15.0, 10.0, 0.05  # of the Gaussians taken together
CENTERS = ((5.0, 5.0), (15.0, 15.0), (25.0, 5.0), (5.0, 25.0), (25.0, 25.0))
COVARIANCES = (
    ((3.0, 1.0), (1.0, 2.0)),
    ((4.0, 1.5), (1.5, 3.0)),
    ((2.0, 0.5), (0.5, 1.0)),
    ((3.0, -1.0), (-1.0, 2.0)),
    ((4.0, -1.5), (-1.5, 3.0)),
)


@recipe
def hermite(
    num_tasks: int = 5,
    *,
    train: int = 500,
    validation: int = 50,
    test: int = 50,
    order: Sequence[int] | None = None,
    scenario: Scenario = "task",
    seed: int = 0,
) -> TaskSequence:
    """Hermite polynomials, one on each piece of [0, 1]: x → H_t(x) for x in [(t − 1)/T, t/T], without noise.

    H_1 = 2x, H_2 = 4x² − 2, and so on, H_t = 2x H_{t−1} − 2(t − 1) H_{t−2}. Inputs `(1,)` are drawn uniformly, targets
    are `(1,)`. No two tasks have an input in common, so one network can answer all of them.

    Args:
        num_tasks: T.
        train: examples of each task to train on.
        validation: to choose on; 0 for none.
        test: to test on.
        order: in which order the tasks come; a part of them is allowed.
        scenario: "task" or "domain", see `TaskSequence.as_scenario`.
        seed: draws the inputs.

    References:
        Krukowski et al., HINT, arXiv 2405.15444: the regression among its experiments, with T = 5.

    Example:
        >>> hermite(2)
        Hermite polynomials: 2 tasks, scenario 'task', inputs (1,), 1 output unit
          0  H1: regression on 1 number  (500 / 50 / 50 train / validation / test)
          1  H2: regression on 1 number  (500 / 50 / 50 train / validation / test)
    """
    if num_tasks < 1:
        raise ValueError(f"expected at least one task; got num_tasks={num_tasks}")
    sizes = {"train": train, "validation": validation, "test": test}
    tasks = [
        _task(f"H{t + 1}", _piece(t / num_tasks, (t + 1) / num_tasks), _polynomial(t + 1), sizes, seed)
        for t in range(num_tasks)
    ]
    return Plan(scenario=scenario, order=order).sequence(tasks, "Hermite polynomials")


@recipe
def gaussian_densities(
    *,
    scaled: bool = True,
    train: int = 500,
    validation: int = 50,
    test: int = 50,
    order: Sequence[int] | None = None,
    scenario: Scenario = "task",
    seed: int = 0,
) -> TaskSequence:
    """Densities of five Gaussians in the plane, far apart: x → N(x; μ_t, Σ_t), for x drawn from it.

    Inputs are `(2,)`, about centers from (5, 5) to (25, 25), targets `(1,)`, at most 0.12: numbers as published, which
    small networks hardly learn.

    Args:
        scaled: whether networks are given (x − 15) / 10, and densities in units of 0.05; the numbers themselves if not.
        train: as in `hermite`.
        validation: as in `hermite`.
        test: as in `hermite`.
        order: as in `hermite`.
        scenario: as in `hermite`.
        seed: as in `hermite`.

    References:
        Krukowski et al., HINT, arXiv 2405.15444, and the code published with it.

    Example:
        >>> [task.name for task in gaussian_densities()]
        ['(5, 5)', '(15, 15)', '(25, 5)', '(5, 25)', '(25, 25)']
    """
    sizes = {"train": train, "validation": validation, "test": test}
    tasks = []
    for center, covariance in zip(CENTERS, COVARIANCES, strict=True):
        root = torch.linalg.cholesky(torch.tensor(covariance, dtype=torch.float64))
        middle = torch.tensor(center, dtype=torch.float64)
        name = "({:g}, {:g})".format(*center)
        tasks.append(_task(name, _cloud(middle, root), _density(middle, root), sizes, seed, scaled=scaled))
    return Plan(scenario=scenario, order=order).sequence(tasks, "Gaussian densities")


def _task(name: str, draw: Draw, truth: Truth, sizes: Mapping[str, int], seed: int, *, scaled: bool = False) -> Task:
    """A task of inputs drawn in float64, and what is true of them; both are rounded to float32 at the end."""
    parts = {}
    for part, size in sizes.items():
        x = draw(size, stream(seed, "regression", name, part))  # (n, d)
        y = truth(x)[:, None]
        x, y = ((x - MIDDLE) / SPREAD, y / DENSITY) if scaled else (x, y)
        parts[part] = Examples(x.float(), y.float())
    return Task(name, parts["train"], parts["test"], parts["validation"] if sizes["validation"] else None)


def _piece(low: float, high: float) -> Draw:
    """Inputs `(n, 1)`, uniform between two numbers."""
    return lambda n, generator: low + (high - low) * torch.rand(n, 1, generator=generator, dtype=torch.float64)


def _polynomial(degree: int) -> Truth:
    """H_degree of inputs `(n, 1)`."""
    return lambda x: torch.special.hermite_polynomial_h(x[:, 0], degree)


def _cloud(middle: Tensor, root: Tensor) -> Draw:
    """Inputs `(n, 2)` from N(middle, root rootᵀ)."""
    return lambda n, generator: middle + torch.randn(n, 2, generator=generator, dtype=torch.float64) @ root.T


def _density(middle: Tensor, root: Tensor) -> Truth:
    """N(x; middle, root rootᵀ) of inputs `(n, 2)`."""
    gaussian = torch.distributions.MultivariateNormal(middle, scale_tril=root, validate_args=False)
    return lambda x: gaussian.log_prob(x).exp()
