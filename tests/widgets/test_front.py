"""The files of the front end: what they may not hold, and how they are joined."""

import re
from importlib.resources import files

import pytest

from cltoolkit import plots
from cltoolkit.widgets._front import module, page_script, stylesheet

FRONT = files("cltoolkit.widgets") / "front"
SCRIPTS = sorted(file.name for file in FRONT.iterdir() if file.name.endswith(".js"))
FORBIDDEN = (
    "innerHTML",
    "outerHTML",
    "insertAdjacentHTML",
    "createContextualFragment",
    "document.write",
    "DOMParser",
    "eval(",
    "new Function",
    "import(",
    "fetch(",
    "XMLHttpRequest",
    "WebSocket",
    "http:",
    "https:",
    "srcdoc",
)


def code(name):
    """A file without its comments, which may name what the code may not do."""
    return re.sub(r"/\*.*?\*/|(?m:(^|\s)//.*$)", "", (FRONT / name).read_text("utf-8"), flags=re.DOTALL)


@pytest.mark.parametrize("name", SCRIPTS)
def test_names_reach_the_page_as_text_alone(name):
    assert [word for word in FORBIDDEN if word in code(name)] == []


def test_styles_load_nothing():
    assert not re.search(r"url\(|@import|http", stylesheet())


@pytest.mark.parametrize("name", sorted({name.removesuffix(".js") for name in SCRIPTS} - {"view", "page"}))
def test_a_module_imports_nothing_and_exports_one_thing(name):
    text = module(name)
    assert not re.search(r"^import ", text, re.MULTILINE)
    assert re.findall(r"^export \w+", text, re.MULTILINE) == ["export default"]


def test_the_theme_is_that_of_the_plots():
    assert f'"colors":["{plots.theme()["colors"][0]}"' in module("run_explorer")


def test_a_page_has_the_shared_code_once_and_each_kind_by_its_name():
    text = page_script({"B": ("run_explorer",), "A": ("run_explorer",)})
    assert text.count("class Stage") == 1
    assert text.index('"A": (() =>') < text.index('"B": (() =>')
