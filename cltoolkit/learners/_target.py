"""What learners of ordinary weights share: the weights of one target network, with a part of its own for each task."""

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn

from ..masks import Layout
from ..params import Params, Stateless

__all__ = ["PerTask", "Rest", "Statistics", "TargetWeights", "own_part", "undotted"]


class PerTask(nn.Module):
    """Named tensors kept for every task, never shared and never changed: row t of each belongs to task t."""

    def __init__(self, names: Iterable[str]) -> None:
        super().__init__()
        self.names = tuple(names)

    def append(self, values: Mapping[str, Tensor]) -> None:
        """Copies one task's tensors into a row of their own."""
        for name in self.names:
            rows, new = self._buffers.get(undotted(name)), values[name].detach()[None].clone()
            self.register_buffer(undotted(name), new if rows is None else torch.cat([rows, new]))

    def row(self, t: int) -> Params:
        """Task t's tensors, by name."""
        return {name: self.get_buffer(undotted(name))[t] for name in self.names}

    def rows(self) -> Params:
        """All tasks' tensors, each `(T, *shape)`."""
        return {name: self.get_buffer(undotted(name)) for name in self.names}


def undotted(name: str) -> str:
    """A weight's name as one that a module may give to a tensor of its own: it may hold no dot."""
    return name.replace(".", ":")


def own_part(net: Stateless, seed: int, t: int, device: torch.device) -> Params:
    """A new head and new statistics for task t alone; the first task's are those that the whole network begins with."""
    new = net.initial(seed, "weights") if t == 0 else net.initial(seed, "head", t)
    return {name: new[name].to(device) for name in (*net.head_names, *net.buffers)}


class Statistics(nn.Module):
    """The buffers of a target network that training moves: batch-norm statistics."""

    def __init__(self, net: Stateless) -> None:
        super().__init__()
        self._initial = {name: value for name, value in net.initial(0).items() if name in net.buffers}
        for name, value in self._initial.items():
            self.register_buffer(undotted(name), value.clone())

    def reset(self) -> None:
        """Puts them back to where they begin."""
        self.set(self._initial)

    def set(self, values: Mapping[str, Tensor]) -> None:
        """Takes the values given, as copies; names not given stay as they are."""
        for name, live in self.values().items():
            if name in values:
                live.copy_(values[name])

    def values(self) -> Params:
        """The live tensors, by name."""
        return {name: self.get_buffer(undotted(name)) for name in self._initial}

    def initial(self) -> Params:
        """Where they begin, by name."""
        return {name: value.to(self.get_buffer(undotted(name)).device) for name, value in self._initial.items()}


class TargetWeights(nn.Module):
    """The trainable weights of one target network, with the batch-norm statistics that go with them."""

    def __init__(self, net: Stateless) -> None:
        super().__init__()
        self.names = tuple(net.shapes)
        self.weights = nn.Module()  # holds the weights, in the order of `names`
        for name, shape in net.shapes.items():
            self.weights.register_parameter(undotted(name), nn.Parameter(torch.zeros(shape)))
        self.statistics = Statistics(net)

    def set(self, params: Params) -> None:
        """Takes the values `params` has, as copies; names it lacks stay as they are."""
        with torch.no_grad():
            for name, live in self._live().items():
                if name in params:
                    live.copy_(params[name])
        self.statistics.set(params)

    def params(self) -> Params:
        """The live weights, and the statistics that training moves."""
        return self._live() | self.statistics.values()

    def values(self) -> Params:
        """The live weights, for use without gradients."""
        return {name: value.detach() for name, value in self.params().items()}

    def _live(self) -> Params:
        return dict(zip(self.names, self.weights.parameters(), strict=True))


class Rest(nn.Module):
    """The parameters that are not masked: biases and the like, the same for all tasks."""

    def __init__(self, net: Stateless, layout: Layout) -> None:
        super().__init__()
        self.names = tuple(name for name in net.shapes if name not in layout.shapes)
        for name in self.names:
            self.register_buffer(undotted(name), torch.zeros(net.shapes[name]))

    def set(self, initial: Params, *, zero: bool) -> None:
        """Takes their values from the network's; 0 for those called bias, if so wished."""
        for name, value in self.values().items():
            value.copy_(torch.zeros(()) if zero and name.rpartition(".")[2] == "bias" else initial[name])

    def values(self) -> Params:
        """By name."""
        return {name: self.get_buffer(undotted(name)) for name in self.names}
