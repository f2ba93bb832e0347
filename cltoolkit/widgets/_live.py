"""Whether anybody is there to see a widget move."""

from typing import TYPE_CHECKING, TypeGuard

if TYPE_CHECKING:
    from ipykernel.zmqshell import ZMQInteractiveShell

__all__ = ["is_live"]


def is_live() -> bool:
    """Whether this runs for a person at a notebook, who sees updates and can press buttons.

    A notebook that is executed for its outputs (nbconvert, nbval, papermill) has a kernel too; but its cells run
    without a way to ask for input, which every front end with a person before it offers. Outside of a kernel nothing is
    live.

    Example:
        >>> is_live()
        False
    """
    from IPython.core.getipython import get_ipython

    shell = get_ipython()
    if shell is None or not _in_kernel(shell):
        return False
    request = shell.kernel.get_parent("shell")
    return bool(request.get("content", {}).get("allow_stdin", False))


def _in_kernel(shell: object) -> "TypeGuard[ZMQInteractiveShell]":
    from ipykernel.zmqshell import ZMQInteractiveShell

    return isinstance(shell, ZMQInteractiveShell)
