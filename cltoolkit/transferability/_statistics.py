"""What the H-score needs to know of any number of examples: sums that add up over batches and devices."""

import copy

import torch
from torch import Tensor

from ._inputs import BLOCK, check_features, check_labels, check_two, varies
from ._moments import Moments
from ._noise import warn_of_any_fit, warn_of_noise
from ._scatter import Scatter, Shrinkage, adjusted, ledoit_wolf, noise_floor_of, score


class FeatureStatistics:
    """Sufficient statistics of features and labels for the H-score, in float64 and O(d² + C d) memory.

    With x = f − x0 and q = |x|² the sums Σ x (by class), Σ x xᵀ, Σ q, Σ q² and Σ q x are kept, where x0 is the mean of
    the first examples: differences lose no digits to a large mean. Classes may appear at any time, under any numbers.
    Two statistics of the same features add up, after the second has been moved to the first's x0.

    Attributes:
        num_samples: n, the examples so far.
        classes: `(C,)`, the labels seen so far, ascending.
        counts: `(C,)`, examples of each.

    References:
        Bao et al., An Information-Theoretic Approach to Transferability in Task Transfer Learning, ICIP 2019.
        Ibrahim et al., Newer is not always better, ECML PKDD 2022 (shrinkage).

    Example:
        >>> labels = torch.arange(90) // 30 + 7
        >>> features = torch.eye(3)[labels - 7] + torch.rand(90, 3, generator=torch.Generator().manual_seed(0))
        >>> whole = FeatureStatistics.of(features, labels)
        >>> parts = FeatureStatistics.of(features[:50], labels[:50]) + FeatureStatistics.of(features[50:], labels[50:])
        >>> whole.classes, bool((whole.h_score() - parts.h_score()).abs() < 1e-12)
        (tensor([7, 8, 9]), True)
    """

    def __init__(self) -> None:
        self._moments: Moments | None = None
        self._origin = torch.zeros(0, dtype=torch.float64)
        self._batch = torch.Size()
        self._eps = torch.finfo(torch.float64).eps
        self.classes = torch.zeros(0, dtype=torch.int64)

    @classmethod
    def of(cls, features: Tensor, labels: Tensor) -> "FeatureStatistics":
        """The statistics of these examples.

        Args:
            features: `(*batch, n, d)`; leading dimensions stand for several sources, scored each on its own.
            labels: `(n,)`, whole numbers.
        """
        statistics = cls()
        statistics.update(features, labels)
        return statistics

    @property
    def num_samples(self) -> int:
        """How many examples were seen."""
        return 0 if self._moments is None else int(self._moments.count.sum())

    @property
    def counts(self) -> Tensor:
        """`(C,)`, examples of each of `classes`."""
        return self.classes.new_zeros(0) if self._moments is None else self._moments.count.long()

    def update(self, features: Tensor, labels: Tensor) -> None:
        """Adds examples, in blocks, so that memory does not grow with their number.

        Args:
            features: `(*batch, n, d)`, with the batch dimensions and the d of those before.
            labels: `(n,)`, whole numbers; classes not seen before are taken in.

        Raises:
            ValueError: if a shape does not fit, or a feature is not finite.
        """
        values = check_features(features)
        labels = check_labels(labels, values, values.shape[-2])
        size = max(1, BLOCK // (values[..., 0, 0].numel() * max(values.shape[-1], len(self.classes))))
        blocks = values.flatten(0, -3) if values.ndim > 2 else values[None]
        moments = self._open(values, blocks[:, :size])
        self._admit(labels.unique())
        self._eps = max(self._eps, torch.finfo(values.dtype).eps)
        index = torch.searchsorted(self.classes, labels)
        for rows, members in zip(blocks.split(size, 1), index.split(size), strict=True):
            moments.add(rows.to(torch.float64, copy=True).sub_(self._origin[:, None]), members)

    def merge(self, other: "FeatureStatistics") -> None:
        """Adds the examples of another, which may lie on another device and know other classes.

        Raises:
            ValueError: if the other has seen features of another shape.
        """
        if other._moments is None:
            return
        if self._moments is None:
            self.__dict__.update(copy.deepcopy(other.__dict__))
            return
        mine, theirs = (*self._batch, self._moments.second.shape[-1]), (*other._batch, other._moments.second.shape[-1])
        if mine != theirs:
            raise ValueError(
                f"expected statistics of features (*batch, d) = {mine}; got {theirs}; "
                "merge statistics of the same sources' features"
            )
        place = self._origin.device
        self._admit(other.classes.to(place))
        self._eps = max(self._eps, other._eps)
        moved = other._moments.to(place).moved(other._origin.to(place) - self._origin)
        self._moments.accumulate(moved, torch.searchsorted(self.classes, other.classes.to(place)))

    def __add__(self, other: "FeatureStatistics") -> "FeatureStatistics":
        total = copy.deepcopy(self)
        total.merge(other)
        return total

    def h_score(self, *, shrinkage: Shrinkage = None) -> Tensor:
        """H-score of all examples so far, see `h_score`.

        Args:
            shrinkage: α in [0, 1], "ledoit_wolf" for the one estimated from the data, None for the plain H-score.

        Returns:
            `(*batch,)`, float64.

        Raises:
            ValueError: if fewer than two classes have been seen.
        """
        scatter = self.scatter()
        scored = score(scatter, shrinkage)
        warn_of_noise(scored.value, scored.floor, scatter.most, scatter.samples)
        return scored.value.view(self._batch)

    def adjusted_h_score(self) -> Tensor:
        """H-score of all examples so far, adjusted for chance, see `adjusted_h_score`; `(*batch,)`."""
        scatter = self.scatter()
        scored = score(scatter, None)
        warn_of_any_fit(scored.floor, scatter.most, scatter.samples)
        return adjusted(scored, scatter.most).view(self._batch)

    def shrinkage(self) -> Tensor:
        """α of Ledoit and Wolf for the covariance of the features, `(*batch,)`."""
        return ledoit_wolf(self.scatter()).view(self._batch)

    def noise_floor(self, *, shrinkage: Shrinkage = None) -> Tensor:
        """The H-score's mean over all permutations of the labels: r (C − 1) / (n − 1), with r the features' rank.

        Args:
            shrinkage: that of the score; each direction of T then counts (1 − α) w / ((1 − α) w + α tr(T) / d).

        Returns:
            `(*batch,)`.
        """
        return noise_floor_of(self.scatter(), shrinkage).view(self._batch)

    def scatter(self) -> Scatter:
        """Total and between-class scatter of the examples so far; features that vary less than rounding count as none.

        Raises:
            ValueError: if fewer than two classes have been seen.
        """
        check_two(self.classes)
        moments = self._known()
        mean = moments.first.sum(-2) / moments.count.sum()
        central = moments.moved(-mean)
        squares = central.second.diagonal(dim1=-2, dim2=-1)
        live = varies(squares, mean + self._origin, self.num_samples, self._eps)
        if not bool(live.all()):
            central.second *= live[:, :, None] & live[:, None]
            central.first *= live[:, None]
        return Scatter(
            total=central.second,
            means=central.first / central.count.sqrt()[:, None],
            fourth=central.qq,
            samples=self.num_samples,
            dim=mean.shape[-1],
            coarse=self._eps > torch.finfo(torch.float64).eps,
        )

    def _known(self) -> Moments:
        if self._moments is None:
            raise ValueError("no examples yet; call update(features, labels) first")
        return self._moments

    def _open(self, values: Tensor, first: Tensor) -> Moments:
        """The moments; made at the first update, about the mean of the first block `(b, n, d)`."""
        if self._moments is None:
            self._batch = values.shape[:-2]
            self._origin = first.mean(-2).double()
            self._moments = Moments.zeros(len(first), values.shape[-1], values)
            self.classes = self.classes.to(values.device)
        expected = (*self._batch, self._origin.shape[-1])
        if (*values.shape[:-2], values.shape[-1]) != expected:
            raise ValueError(
                f"expected features of shape (*batch, n, d) with (*batch, d) = {expected}, as before; "
                f"got {tuple(values.shape)}; start other statistics for other sources"
            )
        return self._moments

    def _admit(self, numbers: Tensor) -> None:
        """Makes room for classes not seen before."""
        moments, before = self._known(), self.classes
        classes = torch.cat([before, numbers]).unique()
        if len(classes) > len(before):
            moments.spread(torch.searchsorted(classes, before), len(classes))
            self.classes = classes
