"""One page of views that opens anywhere: no kernel, no network, and nothing in it that a name could run."""

import base64
import hashlib
import html
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ._front import page_script, stylesheet

__all__ = ["page", "plain"]

State = tuple[str, tuple[str, ...], dict[str, Any]]
LOOK = """:root { color-scheme: light dark; }
body { margin: 16px; background: #fff; color: #222; }
@media (prefers-color-scheme: dark) { body { background: #1c1c1c; color: #e6e6e6; } }
"""


def page(title: str, states: Sequence[State], *, linked: bool = True) -> str:
    """The page.

    Only its own script runs (it is named by its hash), and nothing is loaded from anywhere.

    Args:
        title: of the page.
        states: of each view: its kind, the files that draw it, and its state.
        linked: whether a task picked in one view is picked in all.
    """
    script = page_script({kind: front for kind, front, _ in states})
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"
    views = "\n".join(_view(i, kind, state) for i, (kind, _, state) in enumerate(states))
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{html.escape(title)}</title>\n<style>{LOOK}{stylesheet()}</style>\n</head>\n<body>\n"
        f'<main data-linked="{str(linked).lower()}">\n{views}\n</main>\n'
        f'<script type="module">{script}</script>\n</body>\n</html>\n'
    )


def plain(value: Any) -> Any:
    """The value in types that JSON has: what is not finite becomes null, arrays become lists, keys become texts."""
    if isinstance(value, Mapping):
        return {str(name): plain(held) for name, held in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return plain(value.tolist())
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _view(i: int, kind: str, state: dict[str, Any]) -> str:
    """A place for the view, and its state as data: `<` is spelled so that no name ends the script element."""
    data = json.dumps(plain(state), separators=(",", ":")).replace("<", "\\u003c")
    head = f'<script type="application/json" data-view="{html.escape(kind)}" data-at="view-{i}">'
    return f'<div id="view-{i}"></div>\n{head}{data}</script>'
