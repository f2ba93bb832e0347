"""The H-embedding: exact where it can be, nearest the mean, and moved by whatever moves the earlier embeddings."""

import math
import time

import pytest
import torch
from torch.testing import assert_close

from cltoolkit.embeddings import NORMALIZERS, h_embedding, place, placement_loss, target_distances
from cltoolkit.randomness import stream

CLOSE = {"rtol": 0, "atol": 1e-6}


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def normal(*shape, seed=0):
    return torch.randn(shape, generator=generator(seed), dtype=torch.float64)


def problem(n, d=32, seed=0, normalizer="ahp"):
    """Targets of scores in [3, 5], and embeddings from N(0, 1)."""
    scores = 3 + 2 * torch.rand(n, generator=generator(100 + seed), dtype=torch.float64)
    return target_distances(scores, normalizer), normal(n, d, seed=seed)


def cost(embedding, scale, targets, known):
    return float(((embedding - known).norm(dim=1) - scale * targets).square().sum())


@pytest.mark.parametrize("n", [2, 3, 5, 10, 20])
@pytest.mark.parametrize("seed", range(3))
def test_up_to_twenty_tasks_in_32_dimensions_all_distances_are_met(n, seed):
    placed = place(*problem(n, seed=seed))
    assert placed.residual < 1e-6
    assert placed.scale > 0
    assert_close(placed.distances, placed.scale * placed.targets, **CLOSE)


def test_it_is_quick():
    targets, known = problem(20)
    place(targets, known)
    times = []
    for _ in range(5):
        begin = time.perf_counter()
        place(targets, known)
        times.append(time.perf_counter() - begin)
    assert min(times) < 0.05


@pytest.mark.parametrize("normalizer", NORMALIZERS)
@pytest.mark.parametrize("n", [1, 7, 40])
def test_every_run_gives_the_same_bits(n, normalizer):
    first, again = (place(*problem(n, normalizer=normalizer), seed=seed) for seed in (0, 1))
    assert torch.equal(first.embedding, again.embedding)
    assert first.scale == again.scale


@pytest.mark.parametrize("normalizer", ["ahp", "reciprocal"])  # exact, and with residuals
@pytest.mark.parametrize(("n", "d"), [(2, 32), (6, 32), (20, 32), (7, 3), (12, 2)])
def test_it_moves_with_the_earlier_embeddings(n, d, normalizer):
    targets, known = problem(n, d, normalizer=normalizer)
    placed = place(targets, known)
    order = torch.randperm(n, generator=generator())
    turn = torch.linalg.qr(normal(d, d, seed=9)).Q
    shift = 3 * normal(d, seed=8)

    assert_close(place(targets[order], known[order]).embedding, placed.embedding, **CLOSE)
    assert_close(place(targets, known @ turn.T + shift).embedding, turn @ placed.embedding + shift, **CLOSE)
    larger = place(targets / 5, 10 * known)
    assert_close(larger.embedding, 10 * placed.embedding, rtol=0, atol=1e-5)
    assert larger.scale == pytest.approx(50 * placed.scale, rel=1e-6)


def test_of_all_exact_solutions_it_is_the_one_nearest_the_mean():
    """Others come from adding a height off the span and solving again in one more dimension of it."""
    targets, known = problem(4, 6)
    placed = place(targets, known)
    center = known.mean(0)
    basis = torch.linalg.svd(known - center, full_matrices=False).Vh[:3]
    inside = (placed.embedding - center) @ basis.T @ basis
    assert_close(placed.embedding - center, inside, **CLOSE)  # it lies in the affine span
    near = float((placed.embedding - center).norm())
    for seed in range(20):
        other = exact_solution(targets, known, seed)
        assert cost(*other, targets, known) < 1e-16
        assert float((other[0] - center).norm()) >= near - 1e-9
        assert other[1] >= placed.scale - 1e-9


@pytest.mark.parametrize(("n", "d"), [(2, 2), (2, 6), (4, 6), (7, 6), (10, 32)])
def test_another_point_to_be_near_is_taken_instead_of_the_mean(n, d):
    for seed in range(5):
        targets, known = problem(n, d, seed)
        point = 2 * normal(d, seed=50 + seed)
        placed = place(targets, known, near=point)
        if place(targets, known).residual > 1e-9:
            continue  # no exact solution to choose from
        assert placed.residual < 1e-9
        for other in range(5):
            embedding, scale = exact_solution(targets, known, 10 * seed + other)
            if scale > 0 and cost(embedding, scale, targets, known) < 1e-16:
                assert (embedding - point).norm() >= (placed.embedding - point).norm() - 1e-6


def test_the_mean_is_the_point_to_be_near_by_default():
    targets, known = problem(5)
    assert_close(place(targets, known, near=known.mean(0)).embedding, place(targets, known).embedding)


def test_it_moves_with_the_point_it_is_to_be_near():
    targets, known = problem(5, 8)
    point, turn, shift = normal(8, seed=7), torch.linalg.qr(normal(8, 8, seed=9)).Q, 3 * normal(8, seed=8)
    placed = place(targets, known, near=point)
    moved = place(targets, known @ turn.T + shift, near=turn @ point + shift)
    assert_close(moved.embedding, turn @ placed.embedding + shift, **CLOSE)
    assert float((placed.embedding - point).norm()) < float((place(targets, known).embedding - point).norm())


def test_of_two_sides_of_a_line_the_near_one_is_taken():
    known = torch.tensor([[0.0, 0.0], [1.0, 0.0], [3.0, 0.0], [4.0, 0.0]], dtype=torch.float64)
    for side in (1.0, -1.0):
        planted = torch.tensor([1.0, 2.0 * side], dtype=torch.float64)
        placed = place((planted - known).norm(dim=1), known, near=torch.tensor([0.0, 0.1 * side]))
        assert_close(placed.embedding, planted, **CLOSE)


def exact_solution(targets, known, seed):
    """Some exact solution, by Gauss–Newton steps of least norm from a random start."""
    z = torch.cat([3 * normal(known.shape[1], seed=seed), torch.tensor([5.0], dtype=torch.float64)])
    for _ in range(100):
        away = z[:-1] - known
        distances = away.norm(dim=1)
        jacobian = torch.cat([away / distances[:, None], -targets[:, None]], 1)
        z = z - torch.linalg.pinv(jacobian) @ (distances - z[-1] * targets)
    return z[:-1], float(z[-1])


@pytest.mark.parametrize(("n", "d"), [(2, 2), (3, 2), (5, 32), (20, 32)])
@pytest.mark.parametrize("normalizer", NORMALIZERS)
def test_equal_scores_give_equal_distances(n, d, normalizer):
    placed = h_embedding(torch.full((n,), 2.5), normal(n, d), normalizer=normalizer)
    assert_close(placed.distances, placed.distances.mean().expand(n), **CLOSE)


@pytest.mark.parametrize("point", [[1.0, 0.5], [0.2, 2.5], [3.0, -1.0]])
def test_a_planted_point_is_found_in_the_plane(point):
    """Three distances up to one scale leave two points, inverse in the circumcircle; the inner one is nearest."""
    known = torch.tensor([[0.0, 0.0], [4.0, 0.0], [0.0, 3.0]], dtype=torch.float64)
    planted = torch.tensor(point, dtype=torch.float64)
    placed = place((planted - known).norm(dim=1), known)
    center, radius = torch.tensor([2.0, 1.5], dtype=torch.float64), 2.5
    away = planted - center
    inverse = center + radius**2 * away / (away @ away)
    expected, scale = (planted, 1.0) if away.norm() < radius else (inverse, radius / float(away.norm()))
    assert_close(placed.embedding, expected, **CLOSE)
    assert placed.scale == pytest.approx(scale)


@pytest.mark.parametrize("d", [1, 2, 5, 32])
def test_a_planted_point_is_found_from_more_tasks_than_dimensions(d):
    known, planted = normal(d + 3, d), 2 * normal(d, seed=5)
    placed = place((planted - known).norm(dim=1) / 7, known)
    assert_close(placed.embedding, planted, **CLOSE)
    assert placed.scale == pytest.approx(7)


def test_a_planted_point_off_the_line_of_all_tasks_is_found_up_to_its_side():
    known = torch.tensor([[0.0, 0.0], [1.0, 0.0], [3.0, 0.0], [4.0, 0.0]], dtype=torch.float64)
    planted = torch.tensor([1.0, 2.0], dtype=torch.float64)
    placed = place((planted - known).norm(dim=1), known)
    assert_close(placed.embedding.abs(), planted, **CLOSE)
    assert placed.residual < 1e-9


@pytest.mark.parametrize("normalizer", NORMALIZERS)
@pytest.mark.parametrize(("n", "d"), [(34, 32), (40, 32), (10, 2), (6, 1), (12, 32)])
def test_no_random_start_finds_a_better_fit(n, d, normalizer):
    """More equations than unknowns: what remains is a least-squares minimum, and reported."""
    from scipy import optimize

    targets, known = problem(n, d, seed=3, normalizer=normalizer)
    placed = place(targets, known)
    least = cost(placed.embedding, placed.scale, targets, known)
    e, t = known.numpy(), targets.numpy()

    def residuals(z):
        return ((z[:-1] - e) ** 2).sum(1) ** 0.5 - math.exp(z[-1]) * t

    for seed in range(4):
        start = torch.cat([3 * normal(d, seed=seed), torch.ones(1, dtype=torch.float64)]).numpy()
        other = optimize.least_squares(residuals, start, max_nfev=60)
        assert least <= 2 * other.cost * (1 + 1e-6) + 1e-12
    assert placed.residual == pytest.approx(float((placed.distances - placed.scale * targets).abs().max()))


def test_where_distances_cannot_all_be_met_the_gradient_is_zero():
    targets, known = problem(40)
    placed = place(targets, known)
    assert placed.residual > 0.01
    embedding = placed.embedding.clone().requires_grad_()
    log_scale = torch.tensor(math.log(placed.scale), dtype=torch.float64, requires_grad=True)
    placement_loss(embedding, log_scale.exp(), targets, known).backward()
    assert float(embedding.grad.norm()) < 1e-6
    assert abs(log_scale.grad.item()) < 1e-6


@pytest.mark.parametrize("solver", ["least_squares", "adam"])
def test_one_task_freezes_the_scale(solver):
    """Any scale fits one distance, and the smallest fits best: nothing may collapse."""
    placed = place(torch.tensor([0.5]), torch.tensor([[1.0, -2.0, 0.0]]), solver=solver, steps=3000)
    assert placed.scale == 1.0
    assert_close(placed.distances, torch.tensor([0.5], dtype=torch.float64), rtol=0, atol=2e-3)


def test_tasks_all_in_one_place_freeze_the_scale_too():
    placed = place(torch.tensor([0.5, 1.0]), torch.ones(2, 3))
    assert placed.scale == 1.0
    assert_close(placed.distances, torch.full((2,), 0.75, dtype=torch.float64))


@pytest.mark.parametrize("normalizer", NORMALIZERS)
@pytest.mark.parametrize(
    "known",
    [
        [[0.0], [1.0]],
        [[0.0], [1.0], [5.0]],
        [[0.0], [0.0], [1.0]],
        [[0.0, 0.0], [0.0, 0.0], [1.0, 1.0]],
        [[-1.0, 0.0], [0.0, 0.0], [1.0, 0.0]],
        [[1.0, 2.0], [1.0, 2.0], [1.0, 2.0]],
        [[1e8, 0.0], [1e8 + 1, 0.0], [1e8, 1.0]],
        [[1e-8, 0.0], [0.0, 1e-8], [0.0, 0.0]],
    ],
)
@pytest.mark.parametrize("scores", [[1.0, 1.0, 1.0], [0.0, 0.0, 9.0], [3.0, 2.0, 2.9]])
def test_special_positions_are_safe(known, scores, normalizer):
    known = torch.tensor(known, dtype=torch.float64)
    placed = h_embedding(torch.tensor(scores[: len(known)]), known, normalizer=normalizer)
    assert bool(torch.isfinite(placed.embedding).all())
    assert placed.scale > 0
    middle = known.mean(0)
    spread = (known - middle).norm(dim=1)
    if bool(spread.any()):  # it fits no worse than the mean of all, up to rounding
        scale = float(spread @ placed.targets) / float(placed.targets @ placed.targets)
        bound = cost(middle, scale, placed.targets, known)
        rounding = 1e-15 * float(known.abs().max())
        assert cost(placed.embedding, placed.scale, placed.targets, known) <= bound * (1 + 1e-9) + rounding**2


def test_copies_of_a_task_count_as_one_where_they_agree():
    targets, known = problem(5)
    once, twice = place(targets, known), place(targets.repeat(2), known.repeat(2, 1))
    assert_close(twice.embedding, once.embedding, **CLOSE)


def test_a_distance_of_zero_is_met():
    known = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    placed = place(torch.tensor([0.0, 1.0, 1.0]), known)
    assert_close(placed.embedding, torch.zeros(2, dtype=torch.float64), **CLOSE)


def test_the_gradient_of_the_loss_away_from_the_tasks():
    targets, known = problem(4, 3)
    point, scale = normal(3, seed=7).requires_grad_(), torch.tensor(1.5, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda e, s: placement_loss(e, s, targets, known), (point, scale))
    at_task = known[0].clone().requires_grad_()
    placement_loss(at_task, 1.5, targets, known).backward()
    assert bool(torch.isfinite(at_task.grad).all())


def test_adam_is_torch_adam_on_absolute_residuals():
    targets, known = problem(5, 8)
    placed = place(targets, known, solver="adam", seed=3, steps=50, lr=0.01)
    point = torch.rand(8, generator=stream(3, "h-embedding"), dtype=torch.float64).requires_grad_()
    scale = torch.ones(1, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.Adam([point, scale], lr=0.01)
    history = []
    for _ in range(50):
        optimizer.zero_grad()
        distances = ((point - known).square().sum(1) + 1e-12).sqrt()
        loss = (scale * targets - distances).abs().sum()
        history.append([loss.item(), scale.item()])
        loss.backward()
        optimizer.step()
    assert_close(placed.embedding, point.detach())
    assert_close(placed.history, torch.tensor(history, dtype=torch.float64))


def test_adam_depends_on_its_seed_and_is_recorded():
    targets, known = problem(5)
    a, again, other = (place(targets, known, solver="adam", seed=s, steps=300) for s in (0, 0, 1))
    assert torch.equal(a.embedding, again.embedding)
    assert not torch.allclose(a.embedding, other.embedding)
    assert a.history.shape == (300, 2)
    assert a.history[-1, 0] < a.history[0, 0]
    assert a.history[0, 1] == 1.0
    assert place(targets, known).history is None


@pytest.mark.parametrize(
    ("targets", "known", "solver", "message"),
    [
        (torch.ones(2), torch.ones(3, 2), "adam", r"\(2,\) and \(3, 2\)"),
        (torch.ones(0), torch.ones(0, 2), "least_squares", "at least one earlier task"),
        (torch.tensor([1.0, math.nan]), torch.ones(2, 2), "least_squares", "finite"),
        (torch.ones(1), torch.tensor([[math.inf]]), "adam", "finite"),
        (torch.tensor([1.0, -1.0]), torch.ones(2, 2), "least_squares", "at least 0"),
        (torch.zeros(2), torch.ones(2, 2), "least_squares", "not all 0"),
        (torch.ones(2), torch.ones(2, 2), "lbfgs", "least_squares, adam"),
    ],
)
def test_what_cannot_be_placed_is_refused(targets, known, solver, message):
    with pytest.raises(ValueError, match=message):
        place(targets, known, solver=solver)


def test_the_embeddings_given_are_constants():
    known = torch.ones(2, 3).fill_diagonal_(0).requires_grad_()
    placed = h_embedding(torch.ones(2, requires_grad=True), known)
    assert not placed.embedding.requires_grad
    assert "2 tasks, 3 dimensions" in repr(placed)


def test_a_point_of_another_space_is_refused():
    for point in (torch.ones(2), torch.full((3,), math.nan)):
        with pytest.raises(ValueError, match="near"):
            place(torch.ones(2), torch.eye(2, 3), near=point)
