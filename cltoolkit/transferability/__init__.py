"""Which tasks help which: scores of how easily features of one task serve another, and how far to trust them."""

from ._agreement import agreement
from ._correlation import pearson, spearman, weighted_kendall
from ._floor import noise_floor
from ._gbc import gbc
from ._h_score import adjusted_h_score, h_score
from ._leep import leep, nce
from ._linear_probe import linear_probe_accuracy
from ._log_me import log_me
from ._matrix import TransferMatrix
from ._measured import measured_transfer
from ._neighbors import knn_accuracy
from ._noise import NoiseFloorWarning
from ._outputs import all_outputs, draw_sample, stacked_outputs
from ._probe import probe_accuracy
from ._sources import Sources
from ._statistics import FeatureStatistics
from ._table import ESTIMATORS, Estimator
from ._trans_rate import trans_rate
from ._transfer import transfer_matrix

__all__ = [
    "ESTIMATORS",
    "Estimator",
    "FeatureStatistics",
    "NoiseFloorWarning",
    "Sources",
    "TransferMatrix",
    "adjusted_h_score",
    "agreement",
    "all_outputs",
    "draw_sample",
    "gbc",
    "h_score",
    "knn_accuracy",
    "leep",
    "linear_probe_accuracy",
    "log_me",
    "measured_transfer",
    "nce",
    "noise_floor",
    "pearson",
    "probe_accuracy",
    "spearman",
    "stacked_outputs",
    "trans_rate",
    "transfer_matrix",
    "weighted_kendall",
]
