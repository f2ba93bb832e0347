"""One page of views that opens anywhere: no kernel, no network, and nothing in it that a name could run."""

import base64
import hashlib
import html
import json
from collections.abc import Sequence
from typing import Any

from ._front import page_script, stylesheet

__all__ = ["page"]

State = tuple[str, tuple[str, ...], dict[str, Any]]
LOOK = "body { margin: 16px; background: #fff; color: #222; } @media (prefers-color-scheme: dark) { body { background: #1c1c1c; color: #e6e6e6; } }"


def page(title: str, states: Sequence[State]) -> str:
    """The page.

    Only its own script runs (it is named by its hash), and nothing is loaded from anywhere.

    Args:
        title: of the page.
        states: of each view: its kind, the files that draw it, and its state.
    """
    script = page_script({kind: front for kind, front, _ in states})
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"
    views = "\n".join(_view(i, kind, state) for i, (kind, _, state) in enumerate(states))
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{html.escape(title)}</title>\n<style>{LOOK}\n{stylesheet()}</style>\n</head>\n<body>\n"
        f'<main>\n{views}\n</main>\n<script type="module">{script}</script>\n</body>\n</html>\n'
    )


def _view(i: int, kind: str, state: dict[str, Any]) -> str:
    """A place for the view, and its state as data: `<` is spelled so that no name ends the script element."""
    data = json.dumps(state, separators=(",", ":")).replace("<", "\\u003c")
    return f'<div id="view-{i}"></div>\n<script type="application/json" data-view="{kind}" data-at="view-{i}">{data}</script>'
