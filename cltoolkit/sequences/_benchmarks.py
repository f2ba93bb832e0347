"""MNIST, Fashion-MNIST and CIFAR as sequences of tasks: split by classes, permuted, rotated."""

from collections.abc import Sequence

from torch import nn

from ..recipes import recipe
from ..tasks import Scenario, TaskSequence
from ._augment import Augment, augmentation
from ._groups import Classes
from ._parts import Labelled, Plan, by_classes, variants
from ._pixels import permutations, rotations
from ._sources import SOURCES, Root
from ._superclasses import SUPERCLASSES

__all__ = [
    "cifar100_superclasses",
    "permuted_fashion_mnist",
    "permuted_mnist",
    "rotated_fashion_mnist",
    "rotated_mnist",
    "split_cifar10",
    "split_cifar100",
    "split_fashion_mnist",
    "split_mnist",
]


@recipe
def split_mnist(
    classes_per_task: int | Sequence[int] | None = 2,
    *,
    classes: Classes | None = None,
    normalize: bool = False,
    order: Sequence[int] | None = None,
    scenario: Scenario = "task",
    validation: float = 0.1,
    seed: int = 0,
    root: Root = None,
    download: bool = True,
) -> TaskSequence:
    """MNIST in tasks of two digits: 60,000 training and 10,000 test images of handwritten digits, inputs `(1, 28, 28)`.

    Args:
        classes_per_task: consecutive classes in each task; one number, or one for each task.
        classes: instead, the classes of each task, or a name for each task with its classes.
        normalize: whether inputs have mean 0 and standard deviation 1 over the training images; otherwise they are in
            [0, 1].
        order: in which order the tasks come; a part of them is allowed.
        scenario: "task", "domain" or "class", see `TaskSequence.as_scenario`.
        validation: fraction of each class's training examples that is set apart; 0 for none.
        seed: draws the validation part.
        root: folder of data sets in torchvision's layout; by default $CLTOOLKIT_DATA, or else ./data.
        download: whether missing files are fetched.

    Raises:
        FileNotFoundError: if a file is missing and may or can not be downloaded.
        ValueError: if a file is damaged.

    References:
        LeCun et al., Gradient-Based Learning Applied to Document Recognition, 1998.
        Zenke et al., Continual Learning Through Synaptic Intelligence, ICML 2017: the tasks.
    """
    data = SOURCES["mnist"].read(root, normalize=normalize, download=download)
    plan = Plan(scenario=scenario, order=order, validation=validation, seed=seed)
    return _split(data, plan, classes_per_task, classes, "split MNIST")


@recipe
def split_fashion_mnist(
    classes_per_task: int | Sequence[int] | None = 2,
    *,
    classes: Classes | None = None,
    normalize: bool = False,
    order: Sequence[int] | None = None,
    scenario: Scenario = "task",
    validation: float = 0.1,
    seed: int = 0,
    root: Root = None,
    download: bool = True,
) -> TaskSequence:
    """Fashion-MNIST in tasks of two classes: 60,000 training and 10,000 test images of clothes, inputs `(1, 28, 28)`.

    Args:
        classes_per_task: consecutive classes in each task; one number, or one for each task.
        classes: instead, the classes of each task, or a name for each task with its classes.
        normalize: whether inputs have mean 0 and standard deviation 1 over the training images; otherwise they are in
            [0, 1].
        order: in which order the tasks come; a part of them is allowed.
        scenario: "task", "domain" or "class", see `TaskSequence.as_scenario`.
        validation: fraction of each class's training examples that is set apart; 0 for none.
        seed: draws the validation part.
        root: folder of data sets in torchvision's layout; by default $CLTOOLKIT_DATA, or else ./data.
        download: whether missing files are fetched.

    Raises:
        FileNotFoundError: if a file is missing and may or can not be downloaded.
        ValueError: if a file is damaged.

    References:
        Xiao et al., Fashion-MNIST: a Novel Image Dataset for Benchmarking Machine Learning Algorithms, 2017.
        Zenke et al., Continual Learning Through Synaptic Intelligence, ICML 2017: the tasks.
    """
    data = SOURCES["fashion_mnist"].read(root, normalize=normalize, download=download)
    plan = Plan(scenario=scenario, order=order, validation=validation, seed=seed)
    return _split(data, plan, classes_per_task, classes, "split Fashion-MNIST")


@recipe
def permuted_mnist(
    num_tasks: int = 10,
    *,
    normalize: bool = False,
    order: Sequence[int] | None = None,
    scenario: Scenario = "task",
    validation: float = 0.1,
    seed: int = 0,
    root: Root = None,
    download: bool = True,
) -> TaskSequence:
    """All of MNIST in every task, with the pixels of each task in an order of its own; inputs `(1, 28, 28)`.

    The first task shows them as they are. All tasks read one copy of the images and permute by the batch, so 100 tasks
    take no more memory than one, and the same image is in the same part of every task.

    Args:
        num_tasks: how many orders.
        normalize: whether inputs have mean 0 and standard deviation 1 over the training images; otherwise they are in
            [0, 1].
        order: in which order the tasks come; a part of them is allowed.
        scenario: "task", "domain" or "class", see `TaskSequence.as_scenario`.
        validation: fraction of each class's training examples that is set apart; 0 for none.
        seed: draws the orders of pixels and the validation part.
        root: folder of data sets in torchvision's layout; by default $CLTOOLKIT_DATA, or else ./data.
        download: whether missing files are fetched.

    Raises:
        FileNotFoundError: if a file is missing and may or can not be downloaded.
        ValueError: if a file is damaged.

    References:
        LeCun et al., Gradient-Based Learning Applied to Document Recognition, 1998.
        Kirkpatrick et al., Overcoming catastrophic forgetting in neural networks, PNAS 2017: the tasks.
    """
    data = SOURCES["mnist"].read(root, normalize=normalize, download=download)
    plan = Plan(scenario=scenario, order=order, validation=validation, seed=seed)
    return _seen(data, plan, permutations(num_tasks, 784, seed), SOURCES["mnist"].scale(normalize), "permuted MNIST")


@recipe
def permuted_fashion_mnist(
    num_tasks: int = 10,
    *,
    normalize: bool = False,
    order: Sequence[int] | None = None,
    scenario: Scenario = "task",
    validation: float = 0.1,
    seed: int = 0,
    root: Root = None,
    download: bool = True,
) -> TaskSequence:
    """All of Fashion-MNIST in every task, with the pixels of each task in an order of its own; inputs `(1, 28, 28)`.

    The first task shows them as they are. All tasks read one copy of the images and permute by the batch, so 100 tasks
    take no more memory than one, and the same image is in the same part of every task.

    Args:
        num_tasks: how many orders.
        normalize: whether inputs have mean 0 and standard deviation 1 over the training images; otherwise they are in
            [0, 1].
        order: in which order the tasks come; a part of them is allowed.
        scenario: "task", "domain" or "class", see `TaskSequence.as_scenario`.
        validation: fraction of each class's training examples that is set apart; 0 for none.
        seed: draws the orders of pixels and the validation part.
        root: folder of data sets in torchvision's layout; by default $CLTOOLKIT_DATA, or else ./data.
        download: whether missing files are fetched.

    Raises:
        FileNotFoundError: if a file is missing and may or can not be downloaded.
        ValueError: if a file is damaged.

    References:
        Xiao et al., Fashion-MNIST: a Novel Image Dataset for Benchmarking Machine Learning Algorithms, 2017.
        Kirkpatrick et al., Overcoming catastrophic forgetting in neural networks, PNAS 2017: the tasks.
    """
    data = SOURCES["fashion_mnist"].read(root, normalize=normalize, download=download)
    plan = Plan(scenario=scenario, order=order, validation=validation, seed=seed)
    return _seen(
        data,
        plan,
        permutations(num_tasks, 784, seed),
        SOURCES["fashion_mnist"].scale(normalize),
        "permuted Fashion-MNIST",
    )


@recipe
def rotated_mnist(
    angles: Sequence[float] = (0, 15, 30, 45, 60, 75, 90),
    *,
    normalize: bool = False,
    order: Sequence[int] | None = None,
    scenario: Scenario = "task",
    validation: float = 0.1,
    seed: int = 0,
    root: Root = None,
    download: bool = True,
) -> TaskSequence:
    """All of MNIST in every task, each task turned by an angle of its own; inputs `(1, 28, 28)`.

    All tasks read one copy of the images and rotate by the batch, and the same image is in the same part of every task.

    Args:
        angles: degrees, counterclockwise, one for each task.
        normalize: whether inputs have mean 0 and standard deviation 1 over the training images; otherwise they are in
            [0, 1].
        order: in which order the tasks come; a part of them is allowed.
        scenario: "task", "domain" or "class", see `TaskSequence.as_scenario`.
        validation: fraction of each class's training examples that is set apart; 0 for none.
        seed: draws the validation part.
        root: folder of data sets in torchvision's layout; by default $CLTOOLKIT_DATA, or else ./data.
        download: whether missing files are fetched.

    Raises:
        FileNotFoundError: if a file is missing and may or can not be downloaded.
        ValueError: if a file is damaged.

    References:
        LeCun et al., Gradient-Based Learning Applied to Document Recognition, 1998.
        Lopez-Paz & Ranzato, Gradient Episodic Memory for Continual Learning, NeurIPS 2017: the tasks.
    """
    data = SOURCES["mnist"].read(root, normalize=normalize, download=download)
    plan = Plan(scenario=scenario, order=order, validation=validation, seed=seed)
    return _seen(data, plan, rotations(angles, 28, 28), SOURCES["mnist"].scale(normalize), "rotated MNIST")


@recipe
def rotated_fashion_mnist(
    angles: Sequence[float] = (0, 15, 30, 45, 60, 75, 90),
    *,
    normalize: bool = False,
    order: Sequence[int] | None = None,
    scenario: Scenario = "task",
    validation: float = 0.1,
    seed: int = 0,
    root: Root = None,
    download: bool = True,
) -> TaskSequence:
    """All of Fashion-MNIST in every task, each task turned by an angle of its own; inputs `(1, 28, 28)`.

    All tasks read one copy of the images and rotate by the batch, and the same image is in the same part of every task.

    Args:
        angles: degrees, counterclockwise, one for each task.
        normalize: whether inputs have mean 0 and standard deviation 1 over the training images; otherwise they are in
            [0, 1].
        order: in which order the tasks come; a part of them is allowed.
        scenario: "task", "domain" or "class", see `TaskSequence.as_scenario`.
        validation: fraction of each class's training examples that is set apart; 0 for none.
        seed: draws the validation part.
        root: folder of data sets in torchvision's layout; by default $CLTOOLKIT_DATA, or else ./data.
        download: whether missing files are fetched.

    Raises:
        FileNotFoundError: if a file is missing and may or can not be downloaded.
        ValueError: if a file is damaged.

    References:
        Xiao et al., Fashion-MNIST: a Novel Image Dataset for Benchmarking Machine Learning Algorithms, 2017.
        Lopez-Paz & Ranzato, Gradient Episodic Memory for Continual Learning, NeurIPS 2017: the tasks.
    """
    data = SOURCES["fashion_mnist"].read(root, normalize=normalize, download=download)
    plan = Plan(scenario=scenario, order=order, validation=validation, seed=seed)
    return _seen(
        data, plan, rotations(angles, 28, 28), SOURCES["fashion_mnist"].scale(normalize), "rotated Fashion-MNIST"
    )


@recipe
def split_cifar10(
    classes_per_task: int | Sequence[int] | None = 2,
    *,
    classes: Classes | None = None,
    shuffle_classes: bool = False,
    augment: bool | str | Augment | None = None,
    normalize: bool = True,
    order: Sequence[int] | None = None,
    scenario: Scenario = "task",
    validation: float = 0.1,
    seed: int = 0,
    root: Root = None,
    download: bool = True,
    verify: bool = True,
) -> TaskSequence:
    """CIFAR-10 in tasks of two classes: 50,000 training and 10,000 test photographs of 10 classes, `(3, 32, 32)`.

    Args:
        classes_per_task: consecutive classes in each task; one number, or one for each task.
        classes: instead, the classes of each task, or a name for each task with its classes.
        shuffle_classes: whether the classes come in an order that `seed` draws, instead of that of their numbers.
        augment: random change of training batches: True or "crop_flip" for a crop of the image padded by 4 pixels and a
            mirror image with probability ½, "crop", "flip", or a function `(b, 3, 32, 32), generator → (b, 3, 32, 32)`
            of inputs.
        normalize: whether inputs have mean 0 and standard deviation 1 over the training images; otherwise they are in
            [0, 1].
        order: in which order the tasks come; a part of them is allowed.
        scenario: "task", "domain" or "class", see `TaskSequence.as_scenario`.
        validation: fraction of each class's training examples that is set apart; 0 for none.
        seed: draws the validation part, and the order of the classes.
        root: folder of data sets in torchvision's layout; by default $CLTOOLKIT_DATA, or else ./data.
        download: whether missing files are fetched.
        verify: whether files must have the published checksums. Either way they are read without running what is in
            them.

    Raises:
        FileNotFoundError: if a file is missing and may or can not be downloaded.
        ValueError: if a file is damaged or, with `verify`, is another than the published one.

    References:
        Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009.
    """
    data = SOURCES["cifar10"].read(root, normalize=normalize, download=download, verify=verify)
    change = augmentation(augment)
    plan = Plan(scenario, order, 0.0, validation, seed, change, shuffle_classes)
    return _split(data, plan, classes_per_task, classes, "split CIFAR-10")


@recipe
def split_cifar100(
    classes_per_task: int | Sequence[int] | None = 10,
    *,
    classes: Classes | None = None,
    shuffle_classes: bool = False,
    augment: bool | str | Augment | None = None,
    normalize: bool = True,
    order: Sequence[int] | None = None,
    scenario: Scenario = "task",
    validation: float = 0.1,
    seed: int = 0,
    root: Root = None,
    download: bool = True,
    verify: bool = True,
) -> TaskSequence:
    """CIFAR-100 in tasks of ten classes: 50,000 training and 10,000 test photographs of 100 classes, `(3, 32, 32)`.

    Args:
        classes_per_task: consecutive classes in each task; one number, or one for each task.
        classes: instead, the classes of each task, or a name for each task with its classes.
        shuffle_classes: whether the classes come in an order that `seed` draws, instead of that of their numbers.
        augment: random change of training batches: True or "crop_flip" for a crop of the image padded by 4 pixels and a
            mirror image with probability ½, "crop", "flip", or a function `(b, 3, 32, 32), generator → (b, 3, 32, 32)`
            of inputs.
        normalize: whether inputs have mean 0 and standard deviation 1 over the training images; otherwise they are in
            [0, 1].
        order: in which order the tasks come; a part of them is allowed.
        scenario: "task", "domain" or "class", see `TaskSequence.as_scenario`.
        validation: fraction of each class's training examples that is set apart; 0 for none.
        seed: draws the validation part, and the order of the classes.
        root: folder of data sets in torchvision's layout; by default $CLTOOLKIT_DATA, or else ./data.
        download: whether missing files are fetched.
        verify: whether files must have the published checksums. Either way they are read without running what is in
            them.

    Raises:
        FileNotFoundError: if a file is missing and may or can not be downloaded.
        ValueError: if a file is damaged or, with `verify`, is another than the published one.

    References:
        Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009.
    """
    data = SOURCES["cifar100"].read(root, normalize=normalize, download=download, verify=verify)
    change = augmentation(augment)
    plan = Plan(scenario, order, 0.0, validation, seed, change, shuffle_classes)
    return _split(data, plan, classes_per_task, classes, "split CIFAR-100")


@recipe
def cifar100_superclasses(
    *,
    augment: bool | str | Augment | None = None,
    normalize: bool = True,
    order: Sequence[int] | None = None,
    scenario: Scenario = "task",
    validation: float = 0.1,
    seed: int = 0,
    root: Root = None,
    download: bool = True,
    verify: bool = True,
) -> TaskSequence:
    """CIFAR-100 in its twenty superclasses of five classes each, tasks of known kinship; inputs `(3, 32, 32)`.

    The tasks are named by superclass, from "aquatic mammals" to "vehicles 2", and have 2,500 training and 500 test
    photographs each. With the same `seed` each of them is in the same part as in `split_cifar100`.

    Args:
        augment: random change of training batches: True or "crop_flip" for a crop of the image padded by 4 pixels and a
            mirror image with probability ½, "crop", "flip", or a function `(b, 3, 32, 32), generator → (b, 3, 32, 32)`
            of inputs.
        normalize: whether inputs have mean 0 and standard deviation 1 over the training images; otherwise they are in
            [0, 1].
        order: in which order the tasks come; a part of them is allowed.
        scenario: "task", "domain" or "class", see `TaskSequence.as_scenario`.
        validation: fraction of each class's training examples that is set apart; 0 for none.
        seed: draws the validation part.
        root: folder of data sets in torchvision's layout; by default $CLTOOLKIT_DATA, or else ./data.
        download: whether missing files are fetched.
        verify: whether files must have the published checksums. Either way they are read without running what is in
            them.

    Raises:
        FileNotFoundError: if a file is missing and may or can not be downloaded.
        ValueError: if a file is damaged or, with `verify`, is another than the published one.

    References:
        Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009.
    """
    data = SOURCES["cifar100"].read(root, normalize=normalize, download=download, verify=verify)
    plan = Plan(scenario, order, 0.0, validation, seed, augmentation(augment))
    return _split(data, plan, None, SUPERCLASSES, "CIFAR-100 superclasses")


def _split(
    data: Labelled, plan: Plan, classes_per_task: int | Sequence[int] | None, classes: Classes | None, name: str
) -> TaskSequence:
    per_task = None if classes is not None else classes_per_task
    return plan.sequence(by_classes(data, plan, classes=classes, classes_per_task=per_task, names=None), name)


def _seen(data: Labelled, plan: Plan, changes: dict[str, nn.Module], scale: nn.Module, name: str) -> TaskSequence:
    """All classes in every task, each task seen through a change of its own."""
    transforms = {title: nn.Sequential(change, scale) for title, change in changes.items()}
    return plan.sequence(variants(plan.task("all", data), transforms), name)
