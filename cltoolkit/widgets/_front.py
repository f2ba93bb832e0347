"""The front end of a view: shared and own code in one module, so that nothing is fetched."""

import json
import re
from functools import cache
from importlib.resources import files

from ..plots import theme

__all__ = ["module", "page_script", "stylesheet"]

IMPORT = re.compile(r"^import [^;]*;\n", re.MULTILINE)
PART = re.compile(r"^export \* from \"./(\w+\.js)\";$", re.MULTILINE)
EXPORT = re.compile(r"^export (?!default)", re.MULTILINE)


@cache
def module(*names: str) -> str:
    """The files `front/<name>.js` after the theme and the shared code, as one module that exports `render`."""
    return f"{_shared()}\nexport default {_scope(names)};\n"


@cache
def stylesheet() -> str:
    """How all views look."""
    return _read("style.css")


def page_script(fronts: dict[str, tuple[str, ...]]) -> str:
    """The code of a page with views of several kinds: the shared code once, and each kind in a scope of its own."""
    kinds = [f"{json.dumps(kind)}: {_scope(names)}" for kind, names in sorted(fronts.items())]
    return f"{_shared()}\nconst fronts = {{{', '.join(kinds)}}};\n{_read('page.js')}\nopen();\n"


def _shared() -> str:
    """The theme, and what all views share: the parts that `view.js` names, in its order."""
    parts = "\n".join(_plain(part) for part in PART.findall(_read("view.js")))
    return f"const theme = {json.dumps(theme(), separators=(',', ':'))};\n{parts}"


def _scope(names: tuple[str, ...]) -> str:
    """Own files in a scope of their own, whose value is what the last of them exports."""
    own = "\n".join(_plain(f"{name}.js") for name in names)
    return f"(() => {{\n{own.replace('export default', 'return')}}})()"


def _plain(name: str) -> str:
    """A file without imports and exports of names: joined, all stand in one scope."""
    return EXPORT.sub("", IMPORT.sub("", _read(name)))


def _read(name: str) -> str:
    return (files(__package__) / "front" / name).read_text(encoding="utf-8")
