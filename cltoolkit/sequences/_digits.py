"""The handwritten digits inside scikit-learn: small, real, and there without a download."""

from collections.abc import Sequence

import torch

from ..recipes import recipe
from ..tasks import Examples, Scenario, TaskSequence
from ._groups import Classes
from ._parts import Labelled, Plan, by_classes, divide, variants
from ._pixels import permutations, rotations

__all__ = ["permuted_digits", "rotated_digits", "split_digits"]

_TEST = 0.3


@recipe
def split_digits(
    classes_per_task: int | Sequence[int] | None = 2,
    *,
    classes: Classes | None = None,
    order: Sequence[int] | None = None,
    scenario: Scenario = "task",
    validation: float = 0.15,
    seed: int = 0,
) -> TaskSequence:
    """The ten digits in tasks of two: 1797 real handwritten digits, inputs `(1, 8, 8)` in [0, 1].

    Of each class 30 % test, always the same ones; of the rest 15 % validate. So about 60 / 10 / 30 % train, validate
    and test.

    Args:
        classes_per_task: consecutive digits in each task; one number, or one for each task.
        classes: instead, the digits of each task, or a name for each task with its digits.
        order: in which order the tasks come; a part of them is allowed.
        scenario: "task", "domain" or "class", see `TaskSequence.as_scenario`.
        validation: fraction of each class's training examples that is set apart; 0 for none.
        seed: draws the validation part.

    References:
        Alpaydin & Kaynak, Optical Recognition of Handwritten Digits, UCI Machine Learning Repository, 1998 (its test
        set).

    Example:
        >>> split_digits(order=[0, 4])
        split digits: 2 tasks, scenario 'task', inputs (1, 8, 8), 2 output units
          0  0/1: 0→0, 1→1  (214 / 38 / 108 train / validation / test)
          1  8/9: 8→0, 9→1  (211 / 37 / 106 train / validation / test)
    """
    plan = Plan(scenario=scenario, order=order, validation=validation, seed=seed)
    data = _digits()
    per_task = None if classes is not None else classes_per_task
    return plan.sequence(by_classes(data, plan, classes=classes, classes_per_task=per_task, names=None), "split digits")


@recipe
def permuted_digits(
    num_tasks: int = 10,
    *,
    order: Sequence[int] | None = None,
    scenario: Scenario = "task",
    validation: float = 0.15,
    seed: int = 0,
) -> TaskSequence:
    """All ten digits in every task, with the pixels of each task in an order of its own.

    The first task shows them as they are. Parts and inputs as in `split_digits`; an image has one part in all tasks.

    Args:
        num_tasks: how many orders.
        order: as in `split_digits`.
        scenario: as in `split_digits`.
        validation: as in `split_digits`.
        seed: draws the orders of pixels and the validation part.

    References:
        Kirkpatrick et al., Overcoming catastrophic forgetting in neural networks, PNAS 2017.

    Example:
        >>> len(permuted_digits(100)), permuted_digits(3)[2].name
        (100, 'permutation 2')
    """
    plan = Plan(scenario=scenario, order=order, validation=validation, seed=seed)
    task = plan.task("digits", _digits())
    return plan.sequence(variants(task, permutations(num_tasks, 64, seed)), "permuted digits")


@recipe
def rotated_digits(
    angles: Sequence[float] = (0, 15, 30, 45, 60, 75, 90),
    *,
    order: Sequence[int] | None = None,
    scenario: Scenario = "task",
    validation: float = 0.15,
    seed: int = 0,
) -> TaskSequence:
    """All ten digits in every task, each task turned by an angle of its own.

    Parts and inputs as in `split_digits`; the same image is in the same part of every task.

    Args:
        angles: degrees, counterclockwise, one for each task.
        order: as in `split_digits`.
        scenario: as in `split_digits`.
        validation: as in `split_digits`.
        seed: as in `split_digits`.

    Example:
        >>> [task.name for task in rotated_digits((0, 30))]
        ['0°', '30°']
    """
    plan = Plan(scenario=scenario, order=order, validation=validation, seed=seed)
    task = plan.task("digits", _digits())
    return plan.sequence(variants(task, rotations(angles, 8, 8)), "rotated digits")


def _digits() -> Labelled:
    """All digits, divided into training and test examples once and for all."""
    from sklearn.datasets import load_digits

    images, targets = load_digits(return_X_y=True)
    x = torch.from_numpy(images).float().view(-1, 1, 8, 8) / 16
    y = torch.from_numpy(targets).long()
    train, test = divide(y, range(10), _TEST, seed=0, part="test")
    return Labelled({"train": Examples(x[train], y[train]), "test": Examples(x[test], y[test])}, tuple(range(10)))
