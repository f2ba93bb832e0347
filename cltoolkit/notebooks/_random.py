"""Which cells draw random numbers that no seed of their own decides: read from the code, nothing runs."""

import ast
import re
from collections.abc import Iterator

from ._file import Notebook, text

__all__ = ["draws", "parsed"]

# What makes a generator: random unless it is given a seed.
SEEDED = ("default_rng", "RandomState", "SeedSequence", "PCG64", "PCG64DXSM", "MT19937", "Philox", "SFC64", "Random")
# What does not draw.
HARMLESS = ("Generator", "BitGenerator", "get_state", "getstate", "get_rng_state", "fork_rng", "initial_seed")
TORCH = (
    "bernoulli",
    "multinomial",
    "normal",
    "poisson",
    "rand",
    "rand_like",
    "randint",
    "randint_like",
    "randn",
    "randn_like",
    "randperm",
)
TORCH_SEEDS = ("manual_seed", "seed")
IN_PLACE = ("bernoulli_", "cauchy_", "exponential_", "geometric_", "log_normal_", "normal_", "random_", "uniform_")
MAGIC = re.compile(r"^\s*(?:[%!?]|[\w.]+\s*=\s*[%!]).*$|^.*\?\s*$", re.MULTILINE)


def draws(notebook: Notebook) -> Iterator[tuple[int, str]]:
    """The cells that draw from a generator shared by the whole process, or from one without a seed."""
    names: dict[str, str] = {}
    for number, cell in notebook.code():
        tree = parsed(text(cell["source"]))
        if tree is not None:
            names |= _imported(tree)
            for call in dict.fromkeys(_Draws(names).of(tree)):
                yield number, f"{call} draws what no seed of its own decides"


def parsed(source: str) -> ast.Module | None:
    """A cell's Python, its magics blanked; None where it is another language or does not parse."""
    first = source.lstrip()
    if first.startswith("%%") and not re.match(r"%%(?:time|timeit|capture|prun)\b", first):
        return None
    for code in (source, MAGIC.sub(_blanked, source)):
        try:
            return ast.parse(code)
        except (SyntaxError, ValueError):
            continue
    return None


def _blanked(line: re.Match[str]) -> str:
    return line[0][: len(line[0]) - len(line[0].lstrip())] + "pass"


def _imported(tree: ast.Module) -> dict[str, str]:
    """The local names of imported things: `np` is numpy."""
    names = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                top = alias.name.partition(".")[0]
                names[alias.asname or top] = alias.name if alias.asname else top
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    return names


class _Draws(ast.NodeVisitor):
    """Collects the calls that draw; what stands in `with seeded(...)` has its seed."""

    def __init__(self, names: dict[str, str]) -> None:
        self.names = names
        self.calls: list[str] = []

    def of(self, tree: ast.AST) -> list[str]:
        self.visit(tree)
        return self.calls

    def visit_With(self, node: ast.With) -> None:
        if not any(isinstance(item.context_expr, ast.Call) and _is_seeded(item.context_expr) for item in node.items):
            self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        name = _dotted(node.func)
        first, _, rest = name.partition(".")
        full = ".".join(filter(None, [self.names.get(first, ""), rest])) if first in self.names else ""
        if _draws_globally(full, node) or (_last(node.func) in IN_PLACE and not _given(node, "generator")):
            self.calls.append(name or _last(node.func))
        self.generic_visit(node)


def _draws_globally(full: str, call: ast.Call) -> bool:
    module, _, name = full.rpartition(".")
    if name in HARMLESS:
        return False
    if module in ("random", "numpy.random"):
        return not (name in SEEDED and _has_seed(call))
    if module in ("torch", "torch.random", "torch.cuda"):
        seeds = name in TORCH_SEEDS or name.startswith("manual_seed")
        return seeds or (name in TORCH and not _given(call, "generator"))
    return False


def _has_seed(call: ast.Call) -> bool:
    """Whether a generator is made from something, and not from None."""
    values = [*call.args, *(word.value for word in call.keywords)]
    return any(not (isinstance(value, ast.Constant) and value.value is None) for value in values)


def _given(call: ast.Call, keyword: str) -> bool:
    """Whether a keyword is given, and not None; `**settings` may hold it."""
    words = [word for word in call.keywords if word.arg in (keyword, None)]
    return any(not (isinstance(word.value, ast.Constant) and word.value.value is None) for word in words)


def _is_seeded(call: ast.Call) -> bool:
    return _last(call.func) == "seeded"


def _last(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def _dotted(node: ast.expr) -> str:
    """`a.b.c` of a chain of attributes, nothing of anything else."""
    if isinstance(node, ast.Attribute):
        base = _dotted(node.value)
        return f"{base}.{node.attr}" if base else ""
    return node.id if isinstance(node, ast.Name) else ""
