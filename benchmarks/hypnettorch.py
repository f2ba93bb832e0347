"""A training step against hypnettorch's, for the same hypernetwork, target and number of earlier tasks."""

import contextlib
import importlib.util
import io
import warnings
from collections.abc import Callable

import torch
import torch.nn.functional as F

from cltoolkit.randomness import seeded

from ._report import Result, Row, ratio
from ._subjects import FULL, LARGE, TINY, Subject, hypernet, hypernet_step
from ._timing import take_turns

BARS = {10: 8.0, 50: 20.0}  # times faster, by number of earlier tasks
BETA, LR, DIM = 0.01, 1e-3, 32


def run(quick: bool = False) -> Result:
    """The full 75-75 hypernetwork on MLP 784-400-400-2, with 0, 10 and 50 earlier tasks."""
    result = Result("hypnettorch", "Against hypnettorch 0.0.4")
    result.skipped = missing()
    if result.skipped:
        return result
    subject, turns, counts = (TINY, 2, (0, 2)) if quick else (LARGE, 7, (0, 10, 50))
    drawn = hypernet(subject, 0, **FULL).max_tasks or 0
    for n in counts:
        result.rows += _rows(subject, n, drawn, turns)
    result.settings = {
        "hypernetwork": f"full 75-75, embeddings of {DIM}",
        "target": str(subject),
        "turns": turns,
    }
    result.notes = [
        "A whole step: weights of the current task, its loss, the output regularizer, backward, Adam. hypnettorch "
        "as in its own example of continual learning: targets computed once before the task, `calc_fix_target_reg` "
        "over all earlier tasks, one backward, the Adam of its `get_optimizer`. *Exact* compares all earlier tasks "
        f"in every step, as hypnettorch does; by default a step here compares {drawn} of them. The rows without a "
        f"bar give hypnettorch a fused Adam, or its own sample of {drawn} tasks."
    ]
    return result


def missing() -> str:
    """Why hypnettorch cannot be used; empty if it can."""
    if importlib.util.find_spec("hypnettorch") is None:
        return "hypnettorch is not installed; `pip install '.[benchmarks]'` installs it"
    try:
        _load()
    except Exception as error:  # noqa: BLE001  what an old package does under a new torch cannot be foreseen
        return f"hypnettorch does not import with torch {torch.__version__}: {error!r}"
    return ""


def _load() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import hypnettorch.hnets
        import hypnettorch.mnets
        import hypnettorch.utils.hnet_regularizer
        import hypnettorch.utils.torch_utils  # noqa: F401


def _rows(subject: Subject, n: int, drawn: int, turns: int) -> list[Row]:
    mine, exact = f"here, {n} earlier tasks", f"here, exact, {n} earlier tasks"
    theirs = f"hypnettorch, {n} earlier tasks"
    settings = FULL | {"beta": BETA, "lr": LR, "embedding_dim": DIM}
    calls = {theirs: _hypnettorch_step(subject, n), mine: hypernet_step(subject, n, **settings)}
    calls[f"{theirs}, fused Adam"] = _hypnettorch_step(subject, n, fused=True)
    pairs = [(theirs, mine)]
    if n > drawn:
        calls[exact] = hypernet_step(subject, n, max_tasks=None, **settings)
        calls[f"{theirs}, {drawn} sampled"] = _hypnettorch_step(subject, n, sampled=drawn)
        pairs += [(theirs, exact), (f"{theirs}, {drawn} sampled", mine), (f"{theirs}, fused Adam", exact)]
    else:
        pairs.append((f"{theirs}, fused Adam", mine))
    times = take_turns(calls, turns=turns, block=0.1)
    return [ratio(times, a, b, at_least=BARS.get(n) if a == theirs else None) for a, b in pairs]


def _hypnettorch_step(
    subject: Subject, n: int, *, fused: bool = False, sampled: int | None = None
) -> Callable[[], object]:
    """A training step of task number `n` as hypnettorch's example takes it."""
    from hypnettorch.hnets import HMLP
    from hypnettorch.mnets import MLP
    from hypnettorch.utils.hnet_regularizer import calc_fix_target_reg, get_current_targets
    from hypnettorch.utils.torch_utils import get_optimizer

    silence = contextlib.redirect_stdout(io.StringIO())
    with silence, seeded(0, "hypnettorch"):  # it prints its sizes, and draws globally
        main = MLP(subject.pixels, subject.classes, subject.hidden, no_weights=True, verbose=False)
        hyper = HMLP(main.param_shapes, cond_in_size=DIM, layers=FULL["hidden"], num_cond_embs=n + 1, verbose=False)
    targets = get_current_targets(n, hyper) if n else None
    optimizer = (
        torch.optim.Adam(hyper.parameters(), lr=LR, fused=True)
        if fused
        else get_optimizer(hyper.parameters(), LR, use_adam=True)
    )
    x, y = subject.data(subject.batch)

    def step() -> None:
        optimizer.zero_grad()
        loss = F.cross_entropy(main.forward(x, weights=hyper.forward(cond_id=n)), y)
        if n:
            loss = loss + BETA * calc_fix_target_reg(hyper, n, targets=targets, batch_size=sampled)
        loss.backward()
        optimizer.step()

    return step
