"""Sequences of tasks: benchmarks that are ready to use, tasks with a known relation, and your own data.

| | |
|---|---|
| inside scikit-learn, no download | `split_digits`, `permuted_digits`, `rotated_digits` |
| drawn, with the true relation of the tasks | `related_gaussians` |
| drawn, with real-valued targets | `hermite`, `gaussian_densities` |
| through torchvision, gray | `split_mnist`, `permuted_mnist`, `rotated_mnist`, the same of `fashion_mnist` |
| through torchvision, in color | `split_cifar10`, `split_cifar100`, `cifar100_superclasses` |
| your own | `from_arrays`, `from_dataset`, `from_folder`, `from_text` |
"""

from collections.abc import Callable, Mapping
from typing import Any

from ..recipes import rebuild
from ..tasks import TaskSequence
from ._arrays import from_arrays
from ._augment import crop, crop_flip, flip
from ._benchmarks import (
    cifar100_superclasses,
    permuted_fashion_mnist,
    permuted_mnist,
    rotated_fashion_mnist,
    rotated_mnist,
    split_cifar10,
    split_cifar100,
    split_fashion_mnist,
    split_mnist,
)
from ._cached import Cached
from ._datasets import from_dataset
from ._digits import permuted_digits, rotated_digits, split_digits
from ._folder import from_folder
from ._gaussians import related_gaussians
from ._hugging_face import HuggingFace
from ._regression import gaussian_densities, hermite
from ._text import from_text
from ._tokens import HashedTokens

__all__ = [
    "Cached",
    "HashedTokens",
    "HuggingFace",
    "build",
    "cifar100_superclasses",
    "crop",
    "crop_flip",
    "flip",
    "from_arrays",
    "from_dataset",
    "from_folder",
    "from_text",
    "gaussian_densities",
    "hermite",
    "names",
    "permuted_digits",
    "permuted_fashion_mnist",
    "permuted_mnist",
    "related_gaussians",
    "rotated_digits",
    "rotated_fashion_mnist",
    "rotated_mnist",
    "split_cifar10",
    "split_cifar100",
    "split_digits",
    "split_fashion_mnist",
    "split_mnist",
]

_BUILDERS: dict[str, Callable[..., TaskSequence]] = {
    builder.__name__: builder
    for builder in (
        split_digits,
        permuted_digits,
        rotated_digits,
        related_gaussians,
        hermite,
        gaussian_densities,
        split_mnist,
        permuted_mnist,
        rotated_mnist,
        split_fashion_mnist,
        permuted_fashion_mnist,
        rotated_fashion_mnist,
        split_cifar10,
        split_cifar100,
        cifar100_superclasses,
        from_folder,
        from_text,
    )
}


def names() -> tuple[str, ...]:
    """The sequences that `build` knows."""
    return tuple(_BUILDERS)


def build(recipe: Mapping[str, Any]) -> TaskSequence:
    """The sequence that a recipe describes.

    Args:
        recipe: `{"name": ..., "arguments": {...}}` as in the `.recipe` of a sequence, and, where it was reordered or
            seen in another scenario later, "order" and "scenario".

    Raises:
        ValueError: if the name or an argument is unknown; the nearest right one is offered.

    Example:
        >>> s = split_digits(seed=1)[3:]
        >>> s.recipe["name"], s.recipe["order"]
        ('split_digits', [3, 4])
        >>> build(s.recipe)
        split digits: 2 tasks, scenario 'task', inputs (1, 8, 8), 2 output units
          0  6/7: 6→0, 7→1  (214 / 38 / 108 train / validation / test)
          1  8/9: 8→0, 9→1  (211 / 37 / 106 train / validation / test)
    """
    sequence = rebuild(recipe, _BUILDERS)
    if "order" in recipe:
        sequence = sequence.reorder(recipe["order"])
    return sequence.as_scenario(recipe["scenario"]) if "scenario" in recipe else sequence
