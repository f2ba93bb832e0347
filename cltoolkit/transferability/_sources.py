"""Where features come from: the tasks of a learner, or trained networks, each group passed through together."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from torch import nn

from ..params import Params, Stateless
from ..tasks import TaskSequence

__all__ = ["Group", "Sources", "grouped"]


@runtime_checkable
class Sources(Protocol):
    """What knows tasks and has weights for each: any learner."""

    net: Stateless

    @property
    def known(self) -> int:
        """How many tasks it knows."""

    def stacked_params(self) -> Params:
        """Their weights, each `(S, *shape)`."""

    def units(self, t: int) -> tuple[int, ...]:
        """The output units that answer task t."""


@dataclass(frozen=True, eq=False)
class Group:
    """Sources of one architecture.

    Attributes:
        names: S of them.
        net: the network.
        params: their weights, each `(S, *shape)`.
        units: the output units of each.
    """

    names: tuple[str, ...]
    net: Stateless
    params: Params
    units: tuple[tuple[int, ...], ...]


def grouped(
    models: Sources | Mapping[str, nn.Module | Stateless], sequence: TaskSequence, names: Sequence[str] | None
) -> Iterator[Group]:
    """The sources, those that can be passed through together in one group."""
    if isinstance(models, Mapping):
        if not models:
            raise ValueError("expected at least one network; got an empty mapping; give {name: trained network}")
        if names is not None:
            raise ValueError("the names of networks are the keys of their mapping; leave out `source_names`")
        for name, module in models.items():
            yield _lone(name, module, sequence)
    elif isinstance(models, Sources):
        yield _tasks_of(models, sequence, names)
    else:
        raise TypeError(
            f"expected a learner, or trained networks by name, {{name: module}}; got {type(models).__name__}"
        )


def _tasks_of(learner: Sources, sequence: TaskSequence, names: Sequence[str] | None) -> Group:
    """The tasks that a learner knows."""
    count = learner.known
    if not count:
        raise ValueError("the learner knows no task, so there is no source; train it first")
    given = tuple(task.name for task in sequence)[:count] if names is None else tuple(names)
    if len(given) != count:
        raise ValueError(
            f"expected a name for each of the {count} tasks that the learner knows; got {len(given)}"
            f"{' from the sequence' if names is None else ''}; give them as `source_names`"
        )
    learner.net.num_outputs(sequence.input_shape)
    with torch.no_grad():
        params = {name: value.detach() for name, value in learner.stacked_params().items()}
    return Group(given, learner.net, params, tuple(learner.units(t) for t in range(count)))


def _lone(name: str, module: nn.Module | Stateless, sequence: TaskSequence) -> Group:
    """One trained network, all of whose outputs are its own."""
    if isinstance(module, Stateless):
        net, device = module, torch.device("cpu")
    elif isinstance(module, nn.Module):
        device = next((value.device for value in module.parameters()), torch.device("cpu"))
        net = _stateless(name, module)
    else:
        raise TypeError(f"expected a network under {name!r}; got {type(module).__name__}")
    try:
        outputs = net.num_outputs(sequence.input_shape)
    except ValueError as error:
        raise ValueError(f"source {name!r}: {error}") from error
    params = {key: value.to(device)[None] for key, value in net.initial(0).items()}
    return Group((name,), net, params, (tuple(range(outputs)),))


def _stateless(name: str, module: nn.Module) -> Stateless:
    """The network with the weights that it came with; frozen ones (it may be all of them) count as such here."""
    frozen = [parameter for parameter in module.parameters() if not parameter.requires_grad]
    try:
        for parameter in frozen:
            parameter.requires_grad_(True)
        return Stateless(module, weights="given")
    except ValueError as error:
        raise ValueError(f"source {name!r}: {error}; pass Stateless(module, head=..., weights='given')") from error
    finally:
        for parameter in frozen:
            parameter.requires_grad_(False)
