"""Sound interval arithmetic: boxes that hold every value a network can take on boxes of weights and inputs."""

from . import (  # noqa: F401 - they enter their rules into the table
    _activations,
    _affine_rules,
    _affine_shapes,
    _elementwise,
    _moves,
    _norms,
    _pools,
    _products,
    _shapes,
    _softmax,
)
from ._affine import AFFINE_RULES, AffineTensor, affine_embedding, affine_rule
from ._affine_certificate import Embedded, affine_margins, certify_embedding, certify_generated
from ._affine_weights import affine_weights
from ._along import AlongInterval, along_interval
from ._attack import Attack, attack, attack_embedding
from ._boxes import (
    Bounds,
    as_dtype,
    collapsed,
    contained,
    drift,
    fingerprint,
    hull,
    inflate,
    joined,
    layer_widths,
    sample,
    scaled,
    widths,
)
from ._certificate import Certificate, ContradictionError
from ._certify import Bounded, certify, certify_network
from ._curves import AccuracyCurves, accuracy_curves, breaking_radii, breaking_radius
from ._drift import DRIFTS, certified_at, certified_curve
from ._embedding_boxes import (
    EmptyIntersectionError,
    Intersection,
    Nesting,
    half_widths,
    intersection,
    nested_center,
)
from ._logits import (
    elided_margins,
    elided_worst_case,
    interval_entropy,
    margins,
    softmax_bounds,
    worst_case_cross_entropy,
    worst_case_logits,
    worst_case_squared_error,
)
from ._table import RULES, rule
from ._tensor import IntervalTensor, MissingRuleError, box

__all__ = [
    "AFFINE_RULES",
    "DRIFTS",
    "RULES",
    "AccuracyCurves",
    "AffineTensor",
    "AlongInterval",
    "Attack",
    "Bounded",
    "Bounds",
    "Certificate",
    "ContradictionError",
    "Embedded",
    "EmptyIntersectionError",
    "Intersection",
    "IntervalTensor",
    "MissingRuleError",
    "Nesting",
    "accuracy_curves",
    "affine_embedding",
    "affine_margins",
    "affine_rule",
    "affine_weights",
    "along_interval",
    "as_dtype",
    "attack",
    "attack_embedding",
    "box",
    "breaking_radii",
    "breaking_radius",
    "certified_at",
    "certified_curve",
    "certify",
    "certify_embedding",
    "certify_generated",
    "certify_network",
    "collapsed",
    "contained",
    "drift",
    "elided_margins",
    "elided_worst_case",
    "fingerprint",
    "half_widths",
    "hull",
    "inflate",
    "intersection",
    "interval_entropy",
    "joined",
    "layer_widths",
    "margins",
    "nested_center",
    "rule",
    "sample",
    "scaled",
    "softmax_bounds",
    "widths",
    "worst_case_cross_entropy",
    "worst_case_logits",
    "worst_case_squared_error",
]
