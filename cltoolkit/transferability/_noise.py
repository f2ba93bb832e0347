"""Whether an H-score says more than noise would."""

import warnings

import torch
from torch import Tensor

CHANCE = 3.0  # standard deviations above the noise floor where a score begins to say something


class NoiseFloorWarning(UserWarning):
    """A score that features without any relation to the labels reach as well.

    For the H-score H ≤ C − 1 with the noise floor h0, its mean over permuted labels, it comes where h0 > (C − 1) / 2
    (hence whenever n − 1 ≤ d without shrinkage, where H = C − 1 for any labels), or where H < h0 + 3 σ, with
    σ² = 2 h0 (1 − h0 / (C − 1)) / (n − 1): nearly the variance of H over permuted labels.
    """


def says_little(value: Tensor, floor: Tensor, most: float, samples: int) -> Tensor:
    """Where the floor takes more than half of the scale, or the score is not told apart from it."""
    deviation = (2 * floor * (1 - floor / most).clamp(min=0) / (samples - 1)).sqrt()
    return (floor > most / 2) | (value < floor + CHANCE * deviation)


def warn_of_noise(value: Tensor, floor: Tensor, most: float, samples: int, stacklevel: int = 2) -> None:
    """Warns once of those among the H-scores that say little, and names the one nearest to its floor."""
    weak = says_little(value, floor, most, samples)
    if not bool(weak.any()):
        return
    worst = int(torch.where(weak, (value - floor) / (most - floor).clamp(min=1e-9), torch.inf).argmin())
    what = "the H-score is" if value.numel() == 1 else f"{int(weak.sum())} of {value.numel()} H-scores are near noise:"
    warnings.warn(
        f"{what} {float(value[worst]):.3g} of at most {most:g}, where permuted labels reach {float(floor[worst]):.3g} "
        f"on average with these {samples} examples; take more examples, shrinkage='ledoit_wolf', "
        "or adjusted_h_score, which subtracts chance",
        NoiseFloorWarning,
        stacklevel=stacklevel + 1,
    )


def warn_of_any_fit(floor: Tensor, most: float, samples: int, stacklevel: int = 2) -> None:
    """Warns once where chance reaches the maximum: any labels fit, and nothing is left once it is subtracted."""
    full = int((floor > most * (1 - 1e-9)).sum())
    if full:
        warnings.warn(
            f"{full} of {floor.numel()} adjusted H-scores say nothing and are 0: features of {samples} examples fit "
            "any labels; take more examples than features, or h_score with shrinkage='ledoit_wolf'",
            NoiseFloorWarning,
            stacklevel=stacklevel + 1,
        )
