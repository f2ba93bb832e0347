"""What learners of ordinary weights share: the weights of one target network, with a part of its own for each task."""

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn

from ..params import Params, Stateless, unpack

__all__ = ["PerTask", "TargetWeights"]


class PerTask(nn.Module):
    """Named tensors kept for every task, never shared and never changed: row t of each belongs to task t."""

    def __init__(self, names: Iterable[str]) -> None:
        super().__init__()
        self.names = tuple(names)

    def append(self, values: Mapping[str, Tensor]) -> None:
        """Copies one task's tensors into a row of their own."""
        for name in self.names:
            rows, new = self._buffers.get(_key(name)), values[name].detach()[None].clone()
            self.register_buffer(_key(name), new if rows is None else torch.cat([rows, new]))

    def row(self, t: int) -> Params:
        """Task t's tensors, by name."""
        return {name: self.get_buffer(_key(name))[t] for name in self.names}

    def rows(self) -> Params:
        """All tasks' tensors, each `(T, *shape)`."""
        return {name: self.get_buffer(_key(name)) for name in self.names}


def _key(name: str) -> str:
    """A buffer's name may hold no dot."""
    return name.replace(".", ":")


class TargetWeights(nn.Module):
    """The weights of one target network as one trainable vector, with the batch-norm statistics that go with them.

    One vector, because one tensor costs an optimizer as much as one weight of the network would.
    """

    def __init__(self, net: Stateless) -> None:
        super().__init__()
        self.net = net
        self.vector = nn.Parameter(torch.zeros(net.size))
        initial = net.initial(0)
        for name in net.buffers:
            self.register_buffer(_key(name), initial[name].clone())

    def set(self, params: Params) -> None:
        """Takes the values `params` has, as copies; names it lacks stay as they are."""
        with torch.no_grad():
            for name, view in self.params().items():
                if name in params:
                    view.copy_(params[name])

    def params(self) -> Params:
        """The live weights: views of the vector, and the statistics that training moves."""
        return unpack(self.vector, self.net.shapes) | {name: self.get_buffer(_key(name)) for name in self.net.buffers}

    def values(self) -> Params:
        """The live weights, for use without gradients."""
        return {name: value.detach() for name, value in self.params().items()}
