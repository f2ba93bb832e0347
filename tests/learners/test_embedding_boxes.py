"""Boxes of embeddings: their budget, their nesting, and the best weights of a task."""

import pytest
import torch

from cltoolkit.learners._best import Best
from cltoolkit.learners._embedding_boxes import EmbeddingBoxes
from cltoolkit.randomness import stream


def known(nesting: str, tasks: int, *, share: float = 1.0) -> EmbeddingBoxes:
    boxes = EmbeddingBoxes(6, radius=3.0, learned=True)
    boxes.start(nesting)
    for t in range(tasks):
        boxes.begin()
        with torch.no_grad():
            boxes.spread.copy_(torch.randn(6, generator=stream(0, "spread", t)))
        boxes.end(share)
    return boxes


def embeddings(tasks: int) -> torch.Tensor:
    return 10 * torch.randn(tasks, 6, generator=stream(0, "embeddings"))


def test_half_widths_share_one_budget() -> None:
    boxes = known("none", 4).known(embeddings(4), 1.0)
    torch.testing.assert_close(boxes.radius.sum(1), torch.full((4,), 3.0))
    torch.testing.assert_close(known("none", 4, share=0.5).known(embeddings(4), 1.0).radius, boxes.radius / 2)


@pytest.mark.parametrize("nesting", ["tanh", "cos"])
@pytest.mark.parametrize("tasks", [1, 7, 60])
def test_nested_boxes_hold_one_cube_however_many_tasks_there_are(nesting: str, tasks: int) -> None:
    boxes = known(nesting, tasks).known(embeddings(tasks), 1.0)
    cube = 3.0 / (2 * 6)
    assert (boxes.lower <= -cube + 1e-6).all()
    assert (boxes.upper >= cube - 1e-6).all()


def test_nested_boxes_of_any_size_hold_the_cube_of_the_smallest() -> None:
    boxes, cube = EmbeddingBoxes(6, radius=3.0, learned=True), 0.2 * 3.0 / (2 * 6)
    boxes.start("tanh")
    for share in (1.0, 0.2, 0.7):
        boxes.end(share)
    known = boxes.known(embeddings(3), 1.0)
    assert (known.lower <= -cube + 1e-6).all()
    assert (known.upper >= cube - 1e-6).all()


def test_the_box_being_learned_is_the_last_one() -> None:
    boxes, e = known("none", 2), embeddings(3)
    current = boxes.current(e[2], 0.3)
    torch.testing.assert_close(boxes.known(e, 0.3)[2:].radius, current.radius.detach())
    torch.testing.assert_close(boxes.known(e[:2], 0.3).radius.sum(1), torch.full((2,), 3.0))
    (current.radius * torch.arange(6)).sum().backward()
    assert boxes.spread.grad is not None
    assert boxes.spread.grad.abs().sum() > 0


def test_the_best_of_equals_is_the_latest() -> None:
    live = {"a.b": torch.zeros(2)}
    best = Best(live)
    best.give(live)
    assert live["a.b"].tolist() == [0, 0]
    for score, value in ((0.5, 1.0), (0.7, 2.0), (0.7, 3.0), (0.6, 4.0)):
        live["a.b"].fill_(value)
        best.offer(score, live)
    best.give(live)
    assert live["a.b"].tolist() == [3, 3]
