"""Theorems about hypernetworks and the output regularizer; the loop over tasks and chunks is the oracle."""

import copy
import itertools
import math
import pickle

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.testing import assert_close

from cltoolkit.hypernetworks import (
    Hypernetwork,
    OutputRegularizer,
    adam_lookahead,
    adam_shift,
    cheaper_form,
    gain_offset,
    hyperfan_std,
    output_distance,
    output_distance_gram,
)
from cltoolkit.hypernetworks import _wide as wide
from cltoolkit.params import unpack
from cltoolkit.randomness import stream

MLP = {
    "0.weight": (7, 5),
    "0.bias": (7,),
    "norm.weight": (7,),
    "norm.bias": (7,),
    "head.weight": (3, 7),
    "head.bias": (3,),
}  # P = 80
KINDS = {
    "full": {"output": "full", "hidden": (6,)},
    "full, affine": {"output": "full", "hidden": ()},
    "chunked": {"output": "chunked", "hidden": (6, 5), "chunk_size": 16},
    "chunked, truncated": {"output": "chunked", "hidden": (6, 5), "chunk_size": 13},
    "chunked, affine": {"output": "chunked", "hidden": (), "chunk_size": 13},
    "chunked, one chunk": {"output": "chunked", "hidden": (5,), "chunk_size": 80},
    "low_rank": {"output": "low_rank", "hidden": (6,), "rank": 3},
    "low_rank, affine": {"output": "low_rank", "hidden": (), "rank": 2},
}


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=generator(seed), dtype=torch.float64)


def sizes(shapes: dict[str, tuple[int, ...]]) -> dict[str, torch.Size]:
    return {name: torch.Size(shape) for name, shape in shapes.items()}


def small(kind: str, seed: int = 0, **changes) -> Hypernetwork:
    arguments = {"embedding_dim": 4, "chunk_dim": 3, "activation": "tanh"} | KINDS[kind] | changes
    return Hypernetwork(sizes(MLP), generator=generator(seed), **arguments).double()


def moved(hypernet: Hypernetwork, size: float = 0.1, seed: int = 1) -> Hypernetwork:
    """A copy somewhere else, as after some training."""
    other, source = copy.deepcopy(hypernet), generator(seed)
    with torch.no_grad():
        for p in other.parameters():
            p.add_(size * torch.randn(p.shape, generator=source, dtype=p.dtype))
    return other


def gradients(value: Tensor, hypernet: Hypernetwork) -> dict[str, Tensor]:
    names, parameters = zip(*hypernet.named_parameters(), strict=True)
    parts = torch.autograd.grad(value, parameters, allow_unused=True)
    return {n: torch.zeros_like(p) if g is None else g for n, p, g in zip(names, parameters, parts, strict=True)}


def loop(hypernet: Hypernetwork, before: Hypernetwork, embeddings: Tensor) -> Tensor:
    """The regularizer as published: one earlier task after another, and one chunk after another."""
    total = torch.zeros((), dtype=embeddings.dtype)
    for e in embeddings:
        total = total + (generate(hypernet, e) - generate(before, e).detach()).square().sum()
    return total / len(embeddings)


def generate(hypernet: Hypernetwork, e: Tensor) -> Tensor:
    """Weights of one task, chunk by chunk."""
    basis, parts = hypernet.basis, []
    for k in range(hypernet.num_chunks):
        x = e if basis.chunks is None else torch.cat([e, basis.chunks[k]])
        for layer in basis.layers:
            x = torch.tanh(layer.weight @ x + layer.bias)
        x = x if basis.bottleneck is None else basis.bottleneck.weight @ x
        x = x if basis.scale is None else basis.scale[k] * x
        parts.append(hypernet.output.weight @ x + hypernet.output.bias)
    flat = torch.cat(parts)[: hypernet.size]
    return flat if hypernet.offset is None else flat + hypernet.offset


def resnet32(classes: int) -> dict[str, torch.Size]:
    """ResNet-32 for small images: 3×3 convolutions with bias, each followed by batch norm, and one linear head."""
    widths = [3, 16] + [16] * 10 + [32] * 10 + [64] * 10
    shapes: dict[str, torch.Size] = {}
    for i, (a, b) in enumerate(itertools.pairwise(widths)):
        shapes |= {f"norm{i}.weight": torch.Size([b]), f"norm{i}.bias": torch.Size([b])}
        shapes |= {f"conv{i}.weight": torch.Size([b, a, 3, 3]), f"conv{i}.bias": torch.Size([b])}
    return shapes | {"head.weight": torch.Size([classes, 64]), "head.bias": torch.Size([classes])}


# The hypernetwork


@pytest.mark.parametrize(
    ("classes", "size", "chunks", "weights"),
    [(60, 468_540, 67, 457_144), (100, 471_140, 68, 457_176), (110, 471_790, 68, 457_176)],
)
def test_sizes_of_the_published_resnet32_configuration(classes: int, size: int, chunks: int, weights: int) -> None:
    hypernet = Hypernetwork(
        resnet32(classes),
        embedding_dim=32,
        chunk_dim=32,
        hidden=(),
        output="chunked",
        chunk_size=7000,
        initialization="plain",
    )
    assert (hypernet.size, hypernet.num_chunks) == (size, chunks)
    assert sum(p.numel() for p in hypernet.parameters()) == weights


def test_plain_initialization_generates_what_the_published_one_does() -> None:
    hypernet = Hypernetwork(
        resnet32(60), hidden=(), output="chunked", chunk_size=7000, initialization="plain", generator=generator()
    )
    weights = hypernet(torch.randn(20, 32, generator=generator(1)))
    assert_close(weights.std().item(), 0.135, atol=0.004, rtol=0)
    gains = unpack(weights, hypernet.shapes)["norm30.weight"]
    assert gains.mean().abs() < 0.03  # random signs
    assert not hypernet.output.bias.any()


def test_a_chunked_output_has_about_as_many_weights_as_its_target_by_default() -> None:
    hypernet = Hypernetwork(resnet32(10), output="chunked", hidden=(64,))
    assert hypernet.output.weight.numel() / hypernet.size == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("kind", KINDS)
def test_all_tasks_and_chunks_in_one_batch_are_those_generated_one_by_one(kind: str) -> None:
    hypernet, embeddings = moved(small(kind)), normal(5, 4)
    assert_close(hypernet(embeddings), torch.stack([generate(hypernet, e) for e in embeddings]), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_weights_have_their_names_and_shapes(kind: str) -> None:
    hypernet = small(kind)
    params = unpack(hypernet(normal(2, 4)), hypernet.shapes)
    assert {name: tuple(p.shape[1:]) for name, p in params.items()} == MLP


def test_without_hidden_layers_two_tasks_differ_by_one_tiled_vector() -> None:
    a, b = small("chunked, affine", initialization="plain")(normal(2, 4))
    difference = a - b
    assert_close(difference[13:], difference[:-13], rtol=0, atol=1e-12)


def test_without_hidden_layers_chunks_of_a_hyperfan_difference_are_proportional() -> None:
    hypernet = small("chunked, affine")
    a, b = hypernet(normal(2, 4))
    chunks = torch.stack([part / s for part, s in zip((a - b).split(13)[:-1], hypernet.basis.scale, strict=False)])
    assert_close(chunks, chunks[:1].expand_as(chunks), rtol=0, atol=1e-12)


def test_a_hidden_layer_ends_that_periodicity() -> None:
    a, b = small("chunked, truncated", initialization="plain")(normal(2, 4))
    assert ((a - b)[13:] - (a - b)[:-13]).abs().max() > 1e-3


@pytest.mark.parametrize(("kind", "rank"), [("low_rank", 3), ("low_rank, affine", 2)])
def test_low_rank_tasks_lie_in_one_affine_subspace(kind: str, rank: int) -> None:
    weights = moved(small(kind))(normal(12, 4))
    assert torch.linalg.matrix_rank(weights - weights[0], rtol=1e-10) == rank


def test_a_hypernetwork_is_differentiable_in_its_embeddings() -> None:
    hypernet = small("chunked, truncated")
    assert torch.autograd.gradcheck(hypernet, normal(2, 4).requires_grad_())


def test_gradients_pass_through_hypernetwork_and_target() -> None:
    hypernet, x, y = small("low_rank"), normal(6, 5, seed=3), torch.tensor([0, 1, 2, 0, 1, 2])

    def loss(e: Tensor) -> Tensor:
        w = unpack(hypernet(e)[0], hypernet.shapes)
        hidden = torch.tanh(F.linear(x, w["0.weight"], w["0.bias"])) * w["norm.weight"] + w["norm.bias"]
        return F.cross_entropy(F.linear(hidden, w["head.weight"], w["head.bias"]), y)

    assert torch.autograd.gradcheck(loss, normal(1, 4).requires_grad_())


# Initialization


WIDE = sizes(
    {
        "conv.weight": (40, 10, 3, 3),
        "conv.bias": (40,),
        "norm.weight": (40,),
        "fc.weight": (80, 60),
        "head.weight": (10, 200),
    }
)


@pytest.mark.parametrize("activation", ["relu", "tanh", "elu"])
@pytest.mark.parametrize("hidden", [(), (50,), (64, 64, 64)])
@pytest.mark.parametrize("output", ["full", "low_rank"])
def test_generated_weights_have_variance_two_over_fan_in(output: str, hidden: tuple[int, ...], activation: str) -> None:
    hypernet = Hypernetwork(WIDE, output=output, hidden=hidden, activation=activation, rank=32, generator=generator())
    with torch.no_grad():
        weights = unpack(hypernet(torch.randn(500, 32, generator=generator(1))), WIDE)
    for name, fan_in in {"conv.weight": 90, "fc.weight": 60, "head.weight": 200}.items():
        assert_close(weights[name].square().mean().item(), 2 / fan_in, rtol=0.15, atol=0)
    assert weights["norm.weight"].mean().item() == pytest.approx(1, abs=0.02)
    assert weights["norm.weight"].std() < 0.1
    assert weights["conv.bias"].std() < 0.1


def test_generated_variance_of_chunks_that_lie_in_one_tensor() -> None:
    shapes = sizes({"a.weight": (50, 40), "b.weight": (20, 100), "a.bias": (2000,)})
    hypernet = Hypernetwork(shapes, output="chunked", chunk_size=500, generator=generator())
    with torch.no_grad():
        weights = unpack(hypernet(torch.randn(500, 32, generator=generator(1))), shapes)
    assert_close(weights["a.weight"].square().mean().item(), 2 / 40, rtol=0.2, atol=0)
    assert_close(weights["b.weight"].square().mean().item(), 2 / 100, rtol=0.2, atol=0)
    assert weights["a.bias"].std() < 0.1


def growth(output: str, initialization: str, depth: int = 10, width: int = 96) -> float:
    """Mean logarithm of how much the second moment grows through a generated ReLU network."""
    shapes = sizes({f"{i}.weight": (width, width) for i in range(depth)})
    hypernet = Hypernetwork(shapes, output=output, initialization=initialization, generator=generator())
    x0, logarithms = torch.randn(64, width, generator=generator(2)), []
    with torch.no_grad():
        for flat in hypernet(torch.randn(20, 32, generator=generator(1))):
            x = x0
            for w in unpack(flat, shapes).values():
                x = F.relu(x @ w.T)
            logarithms.append((x.square().mean() / x0.square().mean()).log())
    return torch.stack(logarithms).mean().item()


@pytest.mark.parametrize("output", ["full", "chunked", "low_rank"])
def test_activations_of_a_generated_network_neither_vanish_nor_explode(output: str) -> None:
    assert abs(growth(output, "hyperfan")) / 10 < math.log(1.3)  # for one of ten layers


@pytest.mark.parametrize("output", ["full", "low_rank"])
def test_activations_vanish_with_the_plain_initialization(output: str) -> None:
    assert growth(output, "plain") / 10 < -math.log(10)


@given(st.lists(st.integers(1, 5), min_size=0, max_size=4))
def test_one_standard_deviation_and_one_offset_per_scalar(shape: list[int]) -> None:
    shapes = {"a.weight": torch.Size(shape), "a.bias": torch.Size([2])}
    assert len(hyperfan_std(shapes)) == len(gain_offset(shapes)) == math.prod(shape) + 2
    assert (hyperfan_std(shapes) > 0).all()
    assert gain_offset(shapes).sum() == (shape[0] if len(shape) == 1 else 0)


@pytest.mark.parametrize("initialization", ["hyperfan", "plain"])
@pytest.mark.parametrize("kind", KINDS)
def test_initial_weights_are_a_function_of_the_generator_and_leave_the_global_one_alone(
    kind: str, initialization: str
) -> None:
    before = torch.get_rng_state()
    a, b, c = (small(kind, seed, initialization=initialization) for seed in (1, 1, 2))
    e = normal(2, 4)
    assert torch.equal(a(e), b(e))
    assert not torch.allclose(a(e), c(e))
    regularizer = OutputRegularizer(a, e, max_tasks=1)
    regularizer(a, e[:1], regularizer.sample(generator()))
    assert torch.equal(torch.get_rng_state(), before)


def test_reset_draws_what_construction_drew() -> None:
    first = Hypernetwork(sizes(MLP), output="chunked")
    again = copy.deepcopy(first)
    again.reset(generator(5))
    assert not torch.equal(first.output.weight, again.output.weight)
    again.reset()
    assert all(torch.equal(a, b) for a, b in zip(first.state_dict().values(), again.state_dict().values(), strict=True))


def test_a_state_dict_restores_every_bit() -> None:
    first, second = small("chunked, truncated", 0), small("chunked, truncated", 1)
    second.load_state_dict(first.state_dict())
    assert torch.equal(first(normal(3, 4)), second(normal(3, 4)))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"output": "chunk"}, "did you mean 'chunked'"),
        ({"output": "lowrank"}, "did you mean 'low_rank'"),
        ({"output": "zzz"}, "choose one of 'full', 'chunked', 'low_rank'"),
        ({"activation": "relo"}, "did you mean 'relu'"),
        ({"initialization": "hyperfun"}, "did you mean 'hyperfan'"),
        ({"embedding_dim": 0}, "positive integer for embedding_dim; got 0"),
        ({"hidden": (8, -1)}, r"positive integer for hidden\[1\]; got -1"),
        ({"hidden": (8.0,)}, r"positive integer for hidden\[0\]"),
        ({"output": "chunked", "chunk_size": 0}, "positive integer for chunk_size"),
        ({"output": "chunked", "chunk_dim": -3}, "positive integer for chunk_dim"),
        ({"output": "low_rank", "rank": 0}, "positive integer for rank"),
    ],
)
def test_bad_hyperparameters_are_named(arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Hypernetwork(sizes(MLP), **arguments)


@pytest.mark.parametrize("shapes", [{}, {"weight": torch.Size([0, 3])}])
def test_a_target_without_weights_is_refused(shapes: dict[str, torch.Size]) -> None:
    with pytest.raises(ValueError, match="at least one weight"):
        Hypernetwork(shapes)


@pytest.mark.parametrize("shape", [(4,), (2, 5), (2, 1, 4)])
def test_embeddings_of_another_shape_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"expected task embeddings of shape \(T, 4\)"):
        small("full")(torch.zeros(shape))


# The wide last layer


@pytest.fixture
def always_wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wide, "WIDE", 1)
    monkeypatch.setattr(wide, "BLOCK", 7)


@pytest.mark.parametrize("kind", KINDS)
def test_blocks_of_outputs_change_nothing(kind: str, always_wide: None) -> None:
    hypernet, e = moved(small(kind)), normal(3, 4).requires_grad_()
    value = (hypernet(e) * normal(3, 80, seed=5)).sum()
    expected = sum((generate(hypernet, row) * g).sum() for row, g in zip(e, normal(3, 80, seed=5), strict=True))
    assert_close(value, expected, rtol=1e-12, atol=1e-12)
    for got, want in zip(gradients(value, hypernet).values(), gradients(expected, hypernet).values(), strict=True):
        assert_close(got, want, rtol=1e-11, atol=1e-12)
    value, expected = (hypernet(e) ** 2).sum(), sum((generate(hypernet, row) ** 2).sum() for row in e)
    assert_close(torch.autograd.grad(value, e)[0], torch.autograd.grad(expected, e)[0], rtol=1e-11, atol=1e-12)


def test_gradients_that_live_at_once_never_share_memory(always_wide: None) -> None:
    hypernet, (a, b) = small("full"), normal(2, 4)
    weight = hypernet.output.weight

    def of(e: Tensor) -> Tensor:
        return torch.autograd.grad(hypernet(e[None]).square().sum(), weight)[0]

    first = of(a)
    kept = first.clone()
    second = of(b)  # must not be written over the first
    assert torch.equal(first, kept)
    view = second[1:3]
    del first, second
    kept = view.clone()
    of(a)
    assert torch.equal(view, kept)  # nor over a view of the second


def test_the_memory_of_a_gradient_that_is_gone_is_used_again(always_wide: None) -> None:
    hypernet, addresses = small("full"), []
    for _ in range(3):
        hypernet.zero_grad()
        hypernet(normal(2, 4)).sum().backward()
        addresses.append(hypernet.output.weight.grad.data_ptr())
    assert len(set(addresses)) == 1


def test_copies_of_a_wide_layer_have_memory_of_their_own(always_wide: None) -> None:
    hypernet = small("full")
    hypernet(normal(2, 4)).sum().backward()
    for other in (copy.deepcopy(hypernet), pickle.loads(pickle.dumps(hypernet))):  # noqa: S301
        other.zero_grad()
        other(normal(2, 4)).sum().backward()
        assert torch.equal(other.output.weight.grad, hypernet.output.weight.grad)
        assert other.output.weight.grad.data_ptr() != hypernet.output.weight.grad.data_ptr()


# The output regularizer: two forms, one value


@pytest.mark.parametrize("initialization", ["hyperfan", "plain"])
@pytest.mark.parametrize("form", ["batched", "gram"])
@pytest.mark.parametrize("kind", KINDS)
def test_both_forms_are_the_loop_over_tasks(kind: str, form: str, initialization: str) -> None:
    before, embeddings = small(kind, initialization=initialization), normal(5, 4)
    hypernet = moved(before)
    regularizer = OutputRegularizer(before, embeddings, form=form)
    value, expected = regularizer.penalty(hypernet), loop(hypernet, before, embeddings)
    assert_close(value, expected, rtol=1e-10, atol=0)
    wanted = gradients(expected, hypernet)
    for name, gradient in gradients(value, hypernet).items():
        assert_close(gradient, wanted[name], rtol=1e-10, atol=1e-12 * wanted["output.weight"].abs().max().item())


@pytest.mark.parametrize("form", ["batched", "gram"])
@pytest.mark.parametrize("kind", KINDS)
def test_one_batch_gives_the_current_weights_and_the_same_penalty(kind: str, form: str) -> None:
    before, embeddings = small(kind), normal(5, 4)
    hypernet, current = moved(before), normal(1, 4, seed=9).requires_grad_()
    regularizer = OutputRegularizer(before, embeddings, form=form)
    weights, penalty = regularizer(hypernet, current)
    assert_close(weights, hypernet(current), rtol=1e-12, atol=1e-12)
    assert_close(penalty, regularizer.penalty(hypernet), rtol=1e-12, atol=0)
    reached = torch.autograd.grad(penalty, current, allow_unused=True)[0]
    assert reached is None or not reached.any()  # the current embedding is free


@settings(max_examples=40, deadline=None)
@given(
    tasks=st.integers(1, 4),
    chunks=st.integers(1, 4),
    width=st.integers(1, 5),
    outputs=st.integers(1, 6),
    data=st.data(),
    seed=st.integers(0, 99),
)
def test_gram_form_for_any_shape_and_any_truncation(
    tasks: int, chunks: int, width: int, outputs: int, data: st.DataObject, seed: int
) -> None:
    size = (chunks - 1) * outputs + data.draw(st.integers(1, outputs))
    new = [
        normal(*shape, seed=seed + i) for i, shape in enumerate([(tasks, chunks, width), (outputs, width), (outputs,)])
    ]
    old = [
        normal(*shape, seed=seed + 9 + i)
        for i, shape in enumerate([(tasks, chunks, width), (outputs, width), (outputs,)])
    ]
    direct = [F.linear(*layer).flatten(1)[:, :size] for layer in (new, old)]
    assert_close(output_distance_gram(*new, *old, size=size), output_distance(*direct), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("size", [9, 10, 12])
def test_gradients_of_the_gram_form(size: int) -> None:
    new = [normal(*shape, seed=i).requires_grad_() for i, shape in enumerate([(3, 3, 2), (4, 2), (4,)])]
    old = [normal(*shape, seed=9 + i) for i, shape in enumerate([(3, 3, 2), (4, 2), (4,)])]
    assert torch.autograd.gradcheck(lambda *new: output_distance_gram(*new, *old, size=size), new)


@pytest.mark.parametrize("form", ["batched", "gram"])
@pytest.mark.parametrize("kind", KINDS)
def test_value_and_gradient_vanish_before_the_first_step(kind: str, form: str) -> None:
    hypernet = small(kind)
    value = OutputRegularizer(hypernet, normal(3, 4), form=form).penalty(hypernet)
    assert value.item() == 0
    assert not any(gradient.any() for gradient in gradients(value, hypernet).values())


@pytest.mark.parametrize("form", ["batched", "gram"])
def test_small_differences_survive_in_single_precision(form: str) -> None:
    before = small("chunked, truncated").float()
    hypernet = moved(before, size=1e-4)
    value = OutputRegularizer(before, normal(5, 4).float(), form=form).penalty(hypernet)
    expected = loop(hypernet.double(), before.double(), normal(5, 4).float().double())
    assert_close(value.double(), expected, rtol=2e-3, atol=0)


def test_the_choice_of_form_follows_the_multiply_adds() -> None:
    for rows, width, outputs in itertools.product((1, 10, 100, 1000), (8, 64), (100, 7000)):
        gram, batched = 5 * width**2 * outputs + 8 * width**2 * rows, 3 * rows * width * outputs
        assert cheaper_form(rows=rows, width=width, outputs=outputs) == ("gram" if gram < batched else "batched")
    shapes = resnet32(10)
    full, chunked = (
        Hypernetwork(shapes, output=output, hidden=(8,), chunk_size=7000, embedding_dim=4)
        for output in ("full", "chunked")
    )
    assert OutputRegularizer(full, torch.zeros(10, 4)).form == "batched"
    assert OutputRegularizer(chunked, torch.zeros(10, 4)).form == "gram"


def test_the_gram_form_remembers_no_weights_of_earlier_tasks() -> None:
    hypernet = small("chunked, truncated")
    regularizer = OutputRegularizer(hypernet, normal(50, 4), form="gram")
    remembered = sum(buffer.numel() for buffer in regularizer.buffers())
    assert (
        remembered
        == 50 * 4 + 50 * hypernet.num_chunks * 5 + hypernet.output.weight.numel() + hypernet.output.bias.numel()
    )


@pytest.mark.parametrize("form", ["auto", "batched"])
def test_without_earlier_tasks_nothing_is_lost(form: str) -> None:
    hypernet = small("chunked")
    regularizer = OutputRegularizer(hypernet, torch.zeros(0, 4, dtype=torch.float64), form=form)
    weights, penalty = regularizer(moved(hypernet), normal(1, 4), regularizer.sample(generator()))
    assert weights.shape == (1, 80)
    assert penalty.item() == 0


def test_the_regularizer_keeps_its_own_copy_of_the_embeddings() -> None:
    hypernet, embeddings = small("full"), normal(3, 4)
    regularizer = OutputRegularizer(hypernet, embeddings)
    embeddings.zero_()
    assert regularizer.penalty(hypernet).item() == 0


# Sampling


@pytest.mark.parametrize("form", ["batched", "gram"])
@pytest.mark.parametrize("kind", ["full", "chunked, truncated"])
def test_the_mean_over_all_subsets_is_the_full_value(kind: str, form: str) -> None:
    before, embeddings = small(kind), normal(5, 4)
    hypernet = moved(before)
    regularizer = OutputRegularizer(before, embeddings, form=form, max_tasks=2)
    values = [regularizer.penalty(hypernet, torch.tensor(pair)) for pair in itertools.combinations(range(5), 2)]
    assert_close(torch.stack(values).mean(), loop(hypernet, before, embeddings), rtol=1e-12, atol=0)


def test_draws_are_subsets_that_reach_every_task() -> None:
    regularizer = OutputRegularizer(small("full"), normal(20, 4), max_tasks=3)
    source = generator()
    draws = torch.stack([regularizer.sample(source) for _ in range(4000)])
    assert all(len(set(draw)) == 3 for draw in draws.tolist())
    counts = torch.bincount(draws.flatten(), minlength=20) / 4000
    assert_close(counts, torch.full((20,), 3 / 20), atol=0.03, rtol=0)  # uniform, within 5 standard errors
    assert not torch.equal(draws[0], draws[1])


@given(tasks=st.integers(2, 40), drawn=st.integers(1, 40), seed=st.integers(0, 2**31))
def test_a_round_of_parts_leaves_no_task_out(tasks: int, drawn: int, seed: int) -> None:
    regularizer = OutputRegularizer(small("full"), normal(tasks, 4), max_tasks=min(drawn, tasks - 1))
    parts = [regularizer.sample(generator(seed), part) for part in range(regularizer.num_parts)]
    assert all(len(set(part.tolist())) == regularizer.num_drawn for part in parts)
    assert set(torch.cat(parts).tolist()) == set(range(tasks))
    assert sum(map(len, parts)) < tasks + regularizer.num_drawn  # and no step more than it takes


def test_up_to_the_budget_all_tasks_are_compared() -> None:
    hypernet = small("full")
    assert OutputRegularizer(hypernet, normal(16, 4)).sample(generator()) is None
    assert len(OutputRegularizer(hypernet, normal(17, 4)).sample(generator())) == 16
    assert OutputRegularizer(hypernet, normal(50, 4), max_tasks=None).sample(generator()) is None


# Masks


def test_masked_weights_are_free() -> None:
    before, embeddings = small("full"), normal(2, 4)
    mask = torch.ones(2, 80, dtype=torch.bool)
    mask[:, 60:] = False
    hypernet = copy.deepcopy(before)
    with torch.no_grad():
        hypernet.output.bias[60:] += 1
    regularizer = OutputRegularizer(before, embeddings, mask=mask)
    assert regularizer.penalty(hypernet).item() == 0
    assert OutputRegularizer(before, embeddings).penalty(hypernet).item() == pytest.approx(20)
    value = regularizer.penalty(moved(before))
    residual = (moved(before)(embeddings) - before(embeddings))[:, :60]
    assert_close(value, residual.square().sum() / 2, rtol=1e-12, atol=0)


def test_a_mask_that_does_not_fit_is_refused() -> None:
    hypernet, embeddings = small("full"), normal(2, 4)
    with pytest.raises(ValueError, match=r"boolean mask of shape \(2, 80\); got torch.bool of shape \(1, 80\)"):
        OutputRegularizer(hypernet, embeddings, mask=torch.ones(1, 80, dtype=torch.bool))
    with pytest.raises(ValueError, match="boolean mask"):
        OutputRegularizer(hypernet, embeddings, mask=torch.ones(2, 80))
    with pytest.raises(ValueError, match="Gram form compares all"):
        OutputRegularizer(hypernet, embeddings, form="gram", mask=torch.ones(2, 80, dtype=torch.bool))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"form": "grams"}, "did you mean 'gram'"),
        ({"max_tasks": 0}, "positive integer for max_tasks; got 0"),
        ({"embeddings": torch.zeros(3, 5)}, r"expected task embeddings of shape \(T, 4\)"),
    ],
)
def test_bad_arguments_of_the_regularizer_are_named(arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        OutputRegularizer(small("full"), **({"embeddings": normal(3, 4)} | arguments))


# Lookahead


OPTIMIZERS = {
    "adam": lambda p: torch.optim.Adam(p, lr=0.01),
    "fused": lambda p: torch.optim.Adam(p, lr=0.01, fused=True),
    "foreach": lambda p: torch.optim.Adam(p, lr=0.01, betas=(0.5, 0.9), eps=1e-4, foreach=True),
    "weight decay": lambda p: torch.optim.Adam(p, lr=0.01, weight_decay=0.1),
    "adamw": lambda p: torch.optim.AdamW(p, lr=0.01, weight_decay=0.1),
    "tensor lr": lambda p: torch.optim.Adam(p, lr=torch.tensor(0.01, dtype=torch.float64)),
    "groups": lambda p: torch.optim.Adam([{"params": p[:1]}, {"params": p[1:], "lr": 0.1}]),
}


@pytest.mark.parametrize("make", OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_lookahead_is_the_step_of_a_copied_optimizer(make) -> None:
    hypernet = small("chunked")
    parameters = dict(hypernet.named_parameters())
    optimizer = make(list(parameters.values()))
    for step in range(4):
        given = {name: normal(*p.shape, seed=step) for name, p in parameters.items()}
        before = {name: p.detach().clone() for name, p in parameters.items()}
        shift = adam_lookahead(optimizer, parameters, given)
        assert all(torch.equal(p, before[name]) for name, p in parameters.items())  # nothing moved
        twin, twin_optimizer = copy.deepcopy((hypernet, optimizer))
        for optimized in ((hypernet, optimizer), (twin, twin_optimizer)):
            for name, p in optimized[0].named_parameters():
                p.grad = given[name].clone()
        twin_optimizer.step()
        for name, p in twin.named_parameters():
            assert_close(shift[name], p - before[name], rtol=1e-8, atol=1e-13)
        optimizer.step()


def test_the_first_step_of_adam_is_the_sign() -> None:
    gradient, zero = normal(50), torch.zeros(50, dtype=torch.float64)
    shift = adam_shift(gradient, zero, zero, 0, lr=0.1, betas=(0.9, 0.999), eps=1e-12)
    assert_close(shift, -0.1 * gradient.sign(), rtol=1e-6, atol=0)


@pytest.mark.parametrize("form", ["batched", "gram"])
@pytest.mark.parametrize("kind", KINDS)
def test_looking_ahead_is_standing_there(kind: str, form: str) -> None:
    before, embeddings = small(kind), normal(5, 4)
    shift = {name: 0.1 * normal(*p.shape, seed=7) for name, p in before.named_parameters()}
    there = copy.deepcopy(before)
    with torch.no_grad():
        for name, p in there.named_parameters():
            p.add_(shift[name])
    value = OutputRegularizer(before, embeddings, form=form).penalty(before, shift=shift)
    expected = loop(there, before, embeddings)
    assert_close(value, (there(embeddings) - before(embeddings)).square().sum() / 5, rtol=1e-10, atol=0)
    wanted = gradients(expected, there)  # Δθ is a constant: ∂L_c/∂θ at θ + Δθ
    for name, gradient in gradients(value, before).items():
        assert_close(gradient, wanted[name], rtol=1e-9, atol=1e-12 * wanted["output.weight"].abs().max().item())


def test_weights_without_gradient_do_not_move() -> None:
    hypernet = small("full")
    optimizer = torch.optim.Adam(hypernet.parameters())
    parameters = dict(hypernet.named_parameters())
    assert set(adam_lookahead(optimizer, parameters, {"output.bias": normal(80), "output.weight": None})) == {
        "output.bias"
    }


def test_lookahead_refuses_what_it_does_not_know() -> None:
    parameter = nn.Parameter(torch.ones(1))
    given = {"p": torch.ones(1)}
    with pytest.raises(TypeError, match=r"Adam or AdamW; got SGD"):
        adam_lookahead(torch.optim.SGD([parameter], lr=0.1), {"p": parameter}, given)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="amsgrad"):
        adam_lookahead(torch.optim.Adam([parameter], amsgrad=True), {"p": parameter}, given)
    with pytest.raises(ValueError, match="holds 'p'"):
        adam_lookahead(torch.optim.Adam([nn.Parameter(torch.ones(1))]), {"p": parameter}, given)


# Training


def train(
    hypernet: Hypernetwork, regularizer: OutputRegularizer, optimizer: torch.optim.Optimizer, steps: range
) -> None:
    for step in steps:
        weights, penalty = regularizer(hypernet, normal(1, 4, seed=8), regularizer.sample(generator(step)))
        optimizer.zero_grad()
        ((weights - 1).square().mean() + 0.1 * penalty).backward()
        optimizer.step()


@pytest.mark.parametrize("form", ["batched", "gram"])
@pytest.mark.parametrize("kind", ["full", "chunked, truncated", "low_rank"])
def test_training_resumes_from_the_buffers_to_the_same_bytes(kind: str, form: str) -> None:
    arguments = {"form": form, "max_tasks": 3}
    hypernet, embeddings = small(kind), normal(6, 4)
    regularizer = OutputRegularizer(hypernet, embeddings, **arguments)
    optimizer = torch.optim.Adam(hypernet.parameters())
    train(hypernet, regularizer, optimizer, range(5))
    saved = copy.deepcopy([part.state_dict() for part in (hypernet, regularizer, optimizer)])
    train(hypernet, regularizer, optimizer, range(5, 10))

    other = small(kind, seed=3)
    regularizer = OutputRegularizer(other, torch.zeros(6, 4, dtype=torch.float64), **arguments)
    optimizer = torch.optim.Adam(other.parameters())
    for part, state in zip((other, regularizer, optimizer), saved, strict=True):
        part.load_state_dict(state)
    train(other, regularizer, optimizer, range(5, 10))
    assert all(torch.equal(a, b) for a, b in zip(hypernet.parameters(), other.parameters(), strict=True))


def test_the_penalty_holds_earlier_weights_while_the_current_ones_move() -> None:
    def drift(strength: float) -> tuple[float, float]:
        hypernet, embeddings, current = small("full", hidden=(16,)), normal(3, 4), normal(1, 4, seed=8)
        before = copy.deepcopy(hypernet)
        regularizer = OutputRegularizer(hypernet, embeddings)
        optimizer = torch.optim.Adam(hypernet.parameters(), lr=0.01)
        for _ in range(200):
            weights, penalty = regularizer(hypernet, current)
            optimizer.zero_grad()
            ((weights - 1).square().mean() + strength * penalty).backward()
            optimizer.step()
        kept = (hypernet(embeddings) - before(embeddings)).square().mean().item()
        return kept, (hypernet(current) - 1).square().mean().item()

    (free, reached), (held, still_reached) = drift(0), drift(1)
    assert held < free / 100
    assert max(reached, still_reached) < 0.05


# Weights that begin at zero.


@pytest.mark.parametrize("output", ["full", "chunked", "low_rank"])
def test_weights_named_zero_begin_there_for_every_task_and_learn(output: str) -> None:
    shapes = {"down": torch.Size([2, 6]), "up": torch.Size([6, 2]), "bias": torch.Size([6])}
    hypernet = Hypernetwork(shapes, embedding_dim=4, hidden=(8,), output=output, chunk_size=7, zero=["up"])
    plain = Hypernetwork(shapes, embedding_dim=4, hidden=(8,), output=output, chunk_size=7)
    embeddings = torch.randn(5, 4, generator=stream(0, "test"))
    generated, ungated = unpack(hypernet(embeddings), shapes), unpack(plain(embeddings), shapes)
    assert not generated["up"].any()
    assert torch.equal(generated["down"], ungated["down"])
    hypernet(embeddings).sum().backward()
    assert hypernet.gates.grad.abs().item() > 0
    with torch.no_grad():
        hypernet.gates.fill_(1.0)
    assert torch.equal(hypernet(embeddings), plain(embeddings))


def test_gates_and_the_gram_form_do_not_meet() -> None:
    hypernet = Hypernetwork({"up": torch.Size([6, 2])}, embedding_dim=4, zero=["up"])
    assert OutputRegularizer(hypernet, torch.zeros(300, 4), max_tasks=None).form == "batched"
    with pytest.raises(ValueError, match="behind gates, chunks pass different linear maps"):
        OutputRegularizer(hypernet, torch.zeros(3, 4), form="gram")


def test_a_name_that_is_no_weight_cannot_begin_at_zero() -> None:
    with pytest.raises(ValueError, match=r"expected names of target weights in zero=; got \['down'\]"):
        Hypernetwork({"up": torch.Size([6, 2])}, zero=["down"])
