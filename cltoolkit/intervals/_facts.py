"""What may be asked of a box as of any tensor, and what its user should ask instead of the rest."""

from typing import Any

import torch
from torch import Tensor

__all__ = ["FACTS", "HINTS", "attribute", "name_of"]


def attribute(name: str, slot: str = "__get__") -> Any:
    """What torch calls where an attribute of a tensor is read, or with "__set__" written."""
    return getattr(getattr(Tensor, name), slot)


# Functions that ask about the tensor and not about its values.
FACTS = {
    attribute(name)
    for name in ("shape", "dtype", "device", "ndim", "layout", "is_cuda", "is_sparse", "is_leaf", "is_meta",
                 "is_nested", "is_quantized", "is_mps", "is_xpu", "itemsize")
} | {
    Tensor.size, Tensor.dim, Tensor.ndimension, Tensor.numel, Tensor.nelement, torch.numel, Tensor.__len__,
    Tensor.is_floating_point, torch.is_floating_point, Tensor.is_complex, torch.is_complex, Tensor.element_size,
    Tensor.get_device,
}  # fmt: skip

POINTS = "a box has no single value: use .lower, .upper, .center or .radius"
ORDER = "boxes are not ordered: compare .lower or .upper, or use .holds(other) and .contains(other)"
GRADIENT = "gradients belong to .center and .radius"
HINTS: dict[Any, str] = {
    **dict.fromkeys(
        (
            Tensor.__array__, Tensor.numpy, Tensor.item, Tensor.tolist, Tensor.__bool__, Tensor.__float__,
            Tensor.__int__, Tensor.__index__, Tensor.data_ptr, Tensor.storage, Tensor.untyped_storage,
        ),
        POINTS,
    ),
    **dict.fromkeys(
        (
            Tensor.lt, Tensor.le, Tensor.gt, Tensor.ge, Tensor.eq, Tensor.ne, Tensor.__lt__, Tensor.__le__,
            Tensor.__gt__, Tensor.__ge__, Tensor.__eq__, Tensor.__ne__, torch.lt, torch.le, torch.gt, torch.ge,
            torch.eq, torch.ne, torch.equal, Tensor.equal, torch.allclose, Tensor.allclose, torch.isclose,
            Tensor.argmax, torch.argmax, Tensor.argmin, torch.argmin,
        ),
        ORDER,
    ),
    **dict.fromkeys(
        (
            Tensor.backward, Tensor.requires_grad_, Tensor.retain_grad, attribute("grad"), attribute("grad_fn"),
            attribute("requires_grad", "__set__"),
        ),
        GRADIENT,
    ),
    Tensor.__setitem__: "nothing is changed in place: put the parts together with torch.cat or torch.where",
}  # fmt: skip


PUBLIC = {
    "torch._C._nn": "torch.nn.functional",
    "torch._tensor": "torch.Tensor",
    "torch.functional": "torch",
    "torch._jit_internal": "torch.nn.functional",
}


def name_of(func: Any) -> str:
    """A torch function's name, as its user knows it."""
    owner = func.__self__ if getattr(func, "__name__", "") in ("__get__", "__set__") else func
    module = str(getattr(owner, "__module__", None) or "torch")
    if getattr(owner, "__objclass__", None) in (Tensor, torch._C.TensorBase):
        module = "torch.Tensor"
    return f"{PUBLIC.get(module, module)}.{getattr(owner, '__name__', owner)}"
