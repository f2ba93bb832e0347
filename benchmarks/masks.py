"""Masks: the cost of their two training phases, stored bits, many masks in one pass, a network that is all of them."""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from cltoolkit import Examples, Stateless, Task
from cltoolkit.learners import ExSSNeT, Finetune, Learner, SupSup
from cltoolkit.masks import (
    KNNInitializer,
    Layout,
    Masks,
    Superposition,
    TopK,
    entropy,
    kept_counts,
    pack_bits,
    random_scores,
    signed_constant,
    storage,
    task_gradients,
    top_k,
    under_masks,
)
from cltoolkit.masks._sample import sampled
from cltoolkit.randomness import key_seed

from ._naive_kkt import accuracies
from ._report import Result, Row, ratio
from ._subjects import TINY, Subject
from ._timing import spread, take_turns

LENET = Subject(784, (300, 100), 10, 128)
BATCHES = 50  # different ones, of noise: scores go on moving, as they do in training
DENSITY = 0.1
PLAIN = "plain step"


def run(quick: bool = False) -> Result:
    """Steps; evaluation; the donor among 50 masks; bytes; the task among 100."""
    subject, turns, block = (TINY, 2, 0.001) if quick else (LENET, 15, 0.1)
    many, hundred, examples = (4, 6, 200) if quick else (50, 100, 2000)
    net = Stateless(subject.net())
    rows = [
        *_steps(subject, turns, block),
        _evaluation(subject, net, turns, block),
        *_donors(subject, net, many, examples, 2 if quick else 3),
        *_bytes(net),
        _inference(subject, net, hundred, turns, block),
    ]
    return Result(
        "masks",
        "Masks",
        rows,
        {"target": str(subject), "density": DENSITY, "turns": turns, "examples to find a donor with": examples},
        [
            "A step is forward, backward and Adam, on one of 50 batches of noise. The plain one trains an "
            "ordinary module as Finetune does. Stored bits are unpacked, and scores selected from again, for each "
            "batch of images. The donor is sought with one sample, a third of it queries. As published: one mask "
            "after the other, and a tensor of all differences of two examples' features; one at a time: as here, "
            "for one mask after the other. All three give equal scores, compared in this run. The stack of masks "
            "is in float32, mixed with weights α whose gradient autograd finds; the gradients agree, compared in "
            "float64 in this run."
        ],
    )


def _steps(subject: Subject, turns: int, block: float) -> list[Row]:
    """A step of the mask phase and one of the weight phase against a plain step."""
    mask, threshold, weights = "mask phase, top-k", "mask phase, threshold at 0", "weight phase of ExSSNeT"
    calls = {
        PLAIN: _step(Finetune(subject.net()), subject, 1),
        mask: _step(SupSup(subject.net(), density=DENSITY), subject, 1),
        threshold: _step(SupSup(subject.net(), rule="threshold"), subject, 1),
        weights: _step(ExSSNeT(subject.net(), density=DENSITY), subject, 2),
    }
    times = take_turns(calls, turns=turns, block=block)
    bars = {mask: 1.6, threshold: 1.6, weights: 1.3}
    return [ratio(times, name, PLAIN, at_most=bar) for name, bar in bars.items()]


def _step(learner: Learner, subject: Subject, phases: int) -> Callable[[], object]:
    """A training step of a learner that has begun so many phases of its first task."""
    x, y = subject.data(BATCHES * subject.batch)
    examples = Examples(x[: 4 * subject.classes], y[: 4 * subject.classes])
    task = Task("any", examples, examples)
    learner.start(seed=0)
    for phase in learner.phases(task)[:phases]:
        learner.begin(task, phase)
    batches = list(zip(x.split(subject.batch), y.split(subject.batch), strict=True))
    return lambda: learner.step(*batches[learner.steps % BATCHES])


def _drawn(net: Stateless, tasks: int, density: float) -> tuple[Tensor, Masks]:
    """Weights, and masks of random scores over them."""
    layout = Layout.of(net)
    select = TopK(layout, kept_counts(layout, density))
    bits = torch.stack([pack_bits(select(random_scores(layout, 0, t))) for t in range(tasks)])
    return signed_constant(layout, net.initial(0)), Masks(bits, layout)


def _evaluation(subject: Subject, net: Stateless, turns: int, block: float) -> Row:
    """Answers to one batch under stored bits, and under scores that are selected from again."""
    base, masks = _drawn(net, 1, DENSITY)
    layout, (x, _) = masks.layout, subject.data(subject.batch)
    scores, rest = random_scores(layout, 0, 0), _biases(net, layout)
    counts = list(zip(layout.slices.values(), kept_counts(layout, DENSITY), strict=True))

    @torch.no_grad()
    def recomputed() -> Tensor:
        mask = torch.cat([top_k(scores[where], k) for where, k in counts])
        return net(layout.unpack(torch.where(mask, base, 0.0)) | rest, x)

    @torch.no_grad()
    def stored() -> Tensor:
        return net(layout.unpack(torch.where(masks[0], base, 0.0)) | rest, x)

    _check(torch.equal(recomputed(), stored()), "the same answers from bits and from scores")
    name, bits = f"{subject.batch} images answered, top-k recomputed", "stored bits"
    return ratio(take_turns({name: recomputed, bits: stored}, turns=turns, block=block), name, bits)


def _donors(subject: Subject, net: Stateless, count: int, examples: int, turns: int) -> list[Row]:
    """The scores of all masks for a new task's data: all masks at once, and one after the other."""
    base, masks = _drawn(net, count, DENSITY)
    rest, data = _biases(net, masks.layout), Examples(*subject.data(examples))
    initializer = KNNInitializer(fraction=1.0, rule="published")
    chunks = under_masks(base, masks, shared=rest)
    choice = initializer(net, chunks, data, count=count)
    settings = {"references": choice.references, "neighbors": choice.neighbors}
    sample = sampled(data, fraction=1.0, split=initializer.split, most=initializer.most, seed=key_seed(0))
    x, y = data.take(sample.index)

    def together() -> Tensor:
        return initializer(net, chunks, data, count=count).scores

    def one_by_one() -> Tensor:
        each = (partial(_shifted, chunks, j) for j in range(count))
        return torch.cat([initializer(net, one, data, count=1).scores for one in each])

    def published() -> Tensor:
        each = (accuracies(net, chunks(j, j + 1), x, y, **settings) for j in range(count))
        return torch.cat(list(each))

    _check(torch.equal(choice.scores, one_by_one()), "the same scores from all masks at once and from one at a time")
    _check(torch.equal(choice.scores, published()), "the same scores from one pass and as published")
    old, each, name = (f"donor among {count} masks: {way}" for way in ("as published", "one at a time", "one pass"))
    times = take_turns({old: published, each: one_by_one, name: together}, turns=turns, block=None)
    return [ratio(times, old, name, at_least=4), ratio(times, each, name)]


def _shifted(chunks: Callable[[int, int], dict[str, Tensor]], j: int, first: int, last: int) -> dict[str, Tensor]:
    """Mask j, as if it were the only one."""
    return chunks(j + first, j + last)


def _bytes(net: Stateless) -> list[Row]:
    """Bytes of a task's mask as it is kept."""
    masks = _drawn(net, 1, DENSITY)[1]
    table = storage(masks)
    bits, scores, least = (float(table[column][0]) for column in ("bits", "scores", "entropy"))
    return [
        Row("bits for each weight and task", "", spread([8 * bits / masks.layout.size]), "bit", at_most=1.05),
        Row("bytes of a task as scores in float32", "as bits", spread([scores / bits])),
        Row("bytes of a task as bits", f"the least for masks of density {DENSITY}", spread([bits / least])),
    ]


def _inference(subject: Subject, net: Stateless, count: int, turns: int, block: float) -> Row:
    """∂H/∂α of every mask for one image: from the count of masks and packed bits, and from the stack of masks."""
    base, masks = _drawn(net, count, 0.5)
    rest, (x, _) = _biases(net, masks.layout), subject.data(1)
    superposition = Superposition(net, base, masks, rest)
    stack = torch.stack(list(masks)).float()

    def packed() -> Tensor:
        return task_gradients(superposition, x[None])[0]

    def stacked() -> Tensor:
        return _by_autograd(net, masks.layout, base, stack, rest, x)

    exact = Superposition(net, base.double(), masks, {name: value.double() for name, value in rest.items()})
    found = task_gradients(exact, x[None].double())[0]
    by_stack = _by_autograd(net, masks.layout, base.double(), stack.double(), exact.rest, x.double())
    _check(bool((found - by_stack).abs().max() < 1e-9), "the same gradients from bits and from the stack")
    name, bits = f"task of one image among {count}: stack of masks", "one-shot from bits"
    return ratio(take_turns({name: stacked, bits: packed}, turns=turns, block=block), name, bits)


def _by_autograd(
    net: Stateless, layout: Layout, base: Tensor, stack: Tensor, rest: dict[str, Tensor], x: Tensor
) -> Tensor:
    """∂H/∂α `(T,)` at equal parts of all masks, as published."""
    alpha = torch.full((len(stack),), 1 / len(stack), dtype=base.dtype, requires_grad=True)
    value = entropy(net(layout.unpack(base * (alpha @ stack)) | rest, x)).mean()
    return torch.autograd.grad(value, alpha)[0]


def _biases(net: Stateless, layout: Layout) -> dict[str, Tensor]:
    """0 for all that has no mask."""
    return {name: torch.zeros(shape) for name, shape in net.shapes.items() if name not in layout.shapes}


def _check(same: bool, what: str) -> None:
    if not same:
        raise RuntimeError(f"expected {what}; they differ")
