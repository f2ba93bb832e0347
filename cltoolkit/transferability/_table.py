"""All estimators by name: what each needs, and what it scores without any relation, where that is known."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from ._gbc import gbc
from ._h_score import adjusted_h_score, h_score
from ._inputs import check_probabilities
from ._leep import leep, nce
from ._linear_probe import linear_probe_accuracy
from ._log_me import log_me
from ._neighbors import knn_accuracy
from ._trans_rate import trans_rate


@dataclass(frozen=True)
class Estimator:
    """A transferability score of which more is better.

    Attributes:
        name: its key in `ESTIMATORS`.
        label: for axes.
        of: the function (source output `(*batch, n, d)`, labels `(n,)`) → `(*batch,)` at default settings.
        needs: "features", penultimate activations of the source model, or "probabilities" of its own classes.
        floor: (n, d, k) → mean score of d features, none redundant, over permuted labels of k classes; None where it
            has no closed form, see `noise_floor`.
    """

    name: str
    label: str
    of: Callable[[Tensor, Tensor], Tensor]
    needs: Literal["features", "probabilities"] = "features"
    floor: Callable[[int, int, int], float] | None = None


def _h_score_floor(n: int, d: int, k: int) -> float:
    """d (k − 1) / (n − 1), and k − 1 from d = n − 1 on."""
    return min(d, n - 1) * (k - 1) / (n - 1)


def _nothing(n: int, d: int, k: int) -> float:
    return 0.0


def _shrunk_h_score(features: Tensor, labels: Tensor) -> Tensor:
    return h_score(features, labels, shrinkage="ledoit_wolf")


def _nce_of_predictions(probabilities: Tensor, labels: Tensor) -> Tensor:
    return nce(check_probabilities(probabilities).argmax(-1), labels)


ESTIMATORS: dict[str, Estimator] = {
    estimator.name: estimator
    for estimator in (
        Estimator("h_score", "H-score", h_score, floor=_h_score_floor),
        Estimator("h_score_shrinkage", "H-score, shrinkage", _shrunk_h_score),
        Estimator("h_score_adjusted", "H-score, adjusted", adjusted_h_score, floor=_nothing),
        Estimator("leep", "LEEP", leep, "probabilities"),
        Estimator("nce", "NCE", _nce_of_predictions, "probabilities"),
        Estimator("log_me", "LogME", log_me),
        Estimator("trans_rate", "TransRate", trans_rate),
        Estimator("gbc", "GBC", gbc),
        Estimator("knn", "kNN accuracy", knn_accuracy),
        Estimator("linear_probe", "linear probe accuracy", linear_probe_accuracy),
    )
}
