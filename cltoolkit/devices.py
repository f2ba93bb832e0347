"""Where to compute: the only place that asks whether there is a GPU."""

import torch

__all__ = ["pick_device"]


def pick_device(device: torch.device | str | None) -> torch.device:
    """The device asked for, or a GPU if there is one and nothing was asked.

    Raises:
        ValueError: if there is no such device, such as CUDA where there is none.
    """
    if device is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        place = torch.device(device)
    except RuntimeError as error:
        raise ValueError(f"expected a device such as 'cpu', 'cuda:0' or None; got {device!r}") from error
    if place.type == "cuda" and not torch.cuda.is_available():
        raise ValueError(
            f"device {str(device)!r} was asked for, but torch finds no CUDA device here; use 'cpu', or None to choose"
        )
    if place.type == "cuda" and (place.index or 0) >= torch.cuda.device_count():
        raise ValueError(
            f"device {str(device)!r} was asked for, but there are {torch.cuda.device_count()} CUDA devices here"
        )
    return place
