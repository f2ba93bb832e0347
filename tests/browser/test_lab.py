"""The harness itself: what the other browser tests rely on."""

import nbformat
import pytest
from made_notebooks import PIXEL, code, stored, viewed
from nbformat.sign import NotebookNotary

from cltoolkit.notebooks import fix

sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install playwright")
expect = sync_api.expect


def test_an_exported_page_opens_from_disk_and_runs_its_script(page_of):
    page = page_of("<p>before</p><script>document.querySelector('p').textContent = 'after'</script>")
    expect(page.locator("p")).to_have_text("after")


def test_a_page_is_dark_where_asked(page_of):
    query = "() => matchMedia('(prefers-color-scheme: dark)').matches"
    page = "<title>one</title>"
    assert page_of(page, dark=True).evaluate(query)
    assert not page_of(page).evaluate(query)


@pytest.mark.parametrize(
    "body",
    [
        "<img src='http://127.0.0.1:9/one.png' onerror=refused()>",
        "<img src='two.png' onerror=refused()>",
        "<script src='https://example.com/three.js' onerror=refused()></script>",
        "<script>fetch('https://example.com/four').catch(refused)</script>",
    ],
)
def test_what_a_page_asks_of_others_is_a_problem(page_of, body):
    page = page_of(f"<script>function refused() {{ document.title = 'refused' }}</script>{body}")
    expect(page).to_have_title("refused")
    assert any(problem.startswith("asked for") for problem in page_of.problems)
    page_of.leave()  # nothing comes later
    page_of.problems.clear()


@pytest.mark.parametrize("script", ["throw new Error('broken')", "console.error('broken')"])
def test_what_goes_wrong_in_a_page_is_a_problem(page_of, script):
    page_of(f"<script>{script}</script>")
    page_of.leave()
    assert page_of.problems == ["broken"]
    page_of.problems.clear()


def test_the_server_is_for_those_who_know_its_token(lab):
    assert lab.url.startswith("http://127.0.0.1:")
    assert lab.answer("/api/sessions")[0] == 403
    assert lab.answer("/api/sessions", Authorization="token 0000")[0] == 403
    assert lab.answer(f"/api/sessions?token={lab.token}")[0] == 200


def test_a_mended_notebook_shows_a_picture_where_a_widget_is_gone(notebook, lab, tmp_path):
    path = stored(tmp_path / "stored.ipynb", code("view", viewed(**{"image/png": PIXEL})))
    assert fix(path)
    notary = NotebookNotary(data_dir=str(lab.data))
    notary.sign(nbformat.read(path, as_version=4))  # of what it does not trust, JupyterLab shows the picture anyway
    notary.store.close()
    expect(notebook(path, run=False).cell(0).locator("img")).to_be_visible()
