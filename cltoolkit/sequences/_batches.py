"""CIFAR's batches, which are pickles, read without unpickling: their few instructions are followed and run no code."""

import math
from dataclasses import dataclass
from pickletools import genops
from typing import Any

import numpy as np
import torch
from torch import Tensor


def read_batch(content: bytes) -> dict[str, Any]:
    """The named entries of a CIFAR batch, such as `{"data": (n, 3072) uint8, "labels": [...]}`, or of its meta file.

    Raises:
        ValueError: if the file holds anything but plain values and arrays of bytes, or is not whole.
    """
    try:
        entries = _followed(content)
    except (IndexError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"its instructions make no sense ({error})") from error
    if not isinstance(entries, dict):
        raise ValueError(f"expected named entries; got a {type(entries).__name__}")
    return {str(key): _array(value.state) if isinstance(value, _Object) else value for key, value in entries.items()}


@dataclass
class _Object:
    """What the file says of an array, or of its type: the state it should have."""

    state: Any = None


_CONSTANTS: dict[str, Any] = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_PLAIN = ("BININT", "BININT1", "BININT2", "BINSTRING", "SHORT_BINSTRING", "BINUNICODE", "BINBYTES", "SHORT_BINBYTES")
_KNOWN = ("numpy.core.multiarray _reconstruct", "numpy._core.multiarray _reconstruct", "numpy ndarray", "numpy dtype")


def _followed(content: bytes) -> Any:
    """What the instructions build: plain values, lists, tuples, dicts and `_Object`s."""
    stack: list[Any] = []
    marks: list[int] = []
    memo: dict[Any, Any] = {}

    def above_mark() -> list[Any]:
        start = marks.pop()
        taken = stack[start:]
        del stack[start:]
        return taken

    for code, argument, _ in genops(content):
        match code.name:
            case "PROTO":
                pass
            case "MARK":
                marks.append(len(stack))
            case "BINPUT" | "LONG_BINPUT":
                memo[argument] = stack[-1]
            case "BINGET" | "LONG_BINGET":
                stack.append(memo[argument])
            case "EMPTY_DICT":
                stack.append({})
            case "EMPTY_LIST":
                stack.append([])
            case "TUPLE":
                stack.append(tuple(above_mark()))
            case "TUPLE1" | "TUPLE2" | "TUPLE3":
                count = int(code.name[-1])
                stack[-count:] = [tuple(stack[-count:])]
            case "APPEND":
                item = stack.pop()
                stack[-1].append(item)
            case "APPENDS":
                items = above_mark()
                stack[-1].extend(items)
            case "SETITEM":
                key, item = stack[-2:]
                del stack[-2:]
                stack[-1][key] = item
            case "SETITEMS":
                items = above_mark()
                stack[-1].update(zip(items[::2], items[1::2], strict=True))
            case "GLOBAL" if argument in _KNOWN:
                stack.append(argument)
            case "GLOBAL":
                raise ValueError(f"it asks for {argument!r}, which has no place in a file of images")
            case "REDUCE":  # a call of one of _KNOWN, in place of which an empty object is put
                stack[-2:] = [_Object()]
            case "BUILD":
                state = stack.pop()
                stack[-1].state = state
            case "STOP":
                return stack.pop()
            case name if name in _CONSTANTS:
                stack.append(_CONSTANTS[name])
            case name if name in _PLAIN:
                stack.append(argument)
            case name:
                raise ValueError(f"it holds the instruction {name}, which has no place in a file of images")
    raise ValueError("it has no end")


def _array(state: Any) -> Tensor:
    """An array of bytes from numpy's state `(version, shape, type, whether in Fortran's order, values)`."""
    match state:
        case (int(), (int(), int()) as shape, _Object(), False, str() | bytes() as values):
            content = values.encode("latin-1") if isinstance(values, str) else values
            if len(content) != math.prod(shape):
                raise ValueError(f"an array of shape {shape} does not fit its {len(content)} bytes")
            return torch.from_numpy(np.frombuffer(content, np.uint8).reshape(shape).copy())
    raise ValueError("an array in it is not stored as expected")
