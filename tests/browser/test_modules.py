"""Each file of the front end is a module of its own: it imports what it uses, from files that have it."""

from pathlib import Path

import pytest

import cltoolkit.widgets

FRONT = Path(cltoolkit.widgets.__file__).parent / "front"
MODULES = sorted(path.name for path in FRONT.glob("*.js") if path.name != "page.js")


@pytest.fixture(scope="module")
def importing(chromium):
    """A page at an address that does not exist, which is answered with the files."""
    page = chromium.new_context().new_page()
    page.route("http://front.test/**", lambda route: answer(route))
    page.goto("http://front.test/")
    yield page
    page.context.close()


def answer(route):
    name = route.request.url.rpartition("/")[2]
    if not name:
        return route.fulfill(body="<!doctype html>", content_type="text/html")
    return route.fulfill(body=(FRONT / name).read_text(encoding="utf-8"), content_type="text/javascript")


@pytest.mark.parametrize("name", MODULES)
def test_a_file_is_a_module(importing, name):
    exports = importing.evaluate("async (name) => Object.keys(await import('http://front.test/' + name))", name)
    assert exports


def test_nothing_is_used_that_is_not_imported(importing):
    """Free names of functions show when they run; those of joined files would hide it."""
    import re

    every = {name: (FRONT / name).read_text(encoding="utf-8") for name in MODULES}
    shared = {
        match: name
        for name, text in every.items()
        if f'"./{name}"' in every["view.js"]
        for match in re.findall(r"^export (?:const|function|class) (\w+)", text, re.MULTILINE)
    }
    for name, text in every.items():
        plain = re.sub(r"/\*.*?\*/|//[^\n]*", "", text, flags=re.DOTALL)
        imported = {word for found in re.findall(r"^import \{([^}]*)\}", plain, re.MULTILINE) for word in found.split()}
        imported = {word.strip(",") for word in imported}
        own = set(re.findall(r"(?:const|let|function|class) (\w+)", plain))
        called = set(re.findall(r"(?<![\w.])(\w+)\(", plain))
        assert (
            sorted(word for word in called & set(shared) if word not in imported | own and shared[word] != name) == []
        )
