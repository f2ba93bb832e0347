"""A browser for tests, and how to use it. Without a Chromium these tests are skipped, and say so.

`page_of` opens an exported page from disk, in a tab that has no network, and gives Playwright's page:

    def test_a_click_picks_a_task(page_of, run):
        page = page_of(RunExplorer(run))          # or several views, linked; or a path; or HTML; dark=True, width=700
        page.locator("canvas").first.press("ArrowRight")
        expect(page.get_by_role("status")).to_contain_text("task 1")

All tests share the tab: a page ends when the next is opened. After the test, whatever its pages said on the console as
an error, and whatever they asked of the network, fails it.

`notebook` runs cells in a real JupyterLab. It costs some eight seconds, so a module opens one and its tests share it:

    @pytest.fixture(scope="module")
    def explorer(notebook):
        return notebook("import cltoolkit as cl", "view = cl.widgets.RunExplorer(run)\nview")

    def test_the_kernel_hears_the_click(explorer):
        explorer.cell(-1).locator("canvas").press("ArrowRight")     # the outputs of the last cell; Playwright's locator
        explorer.kernel.wait("view.task", 1)                         # until the kernel has this value
        explorer.kernel.eval("setattr(view, 'task', 2)")             # and back: the kernel sets, the page follows
        expect(explorer.cell(-1).get_by_role("status")).to_contain_text("task 2")

The kernel can import cltoolkit and what lies in tests/ (`from tiny import ...`). `explorer.page` is Playwright's page,
`explorer.js("return 1 + 1")` runs JavaScript in it. `lab` is the server: `lab.root` is its folder, `lab.url`,
`lab.token`. Wait for conditions with `expect`, never for a time. `from playwright.sync_api import expect` stands inside
the tests' functions or after `pytest.importorskip("playwright.sync_api")`.
"""

import os
import shutil
from pathlib import Path

import pytest
from find_chromium import MISSING, find_chromium
from live_lab import Lab, Notebook

ARGUMENTS = [
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-dev-shm-usage",
    "--no-first-run",
]
VIEWPORT = {"width": 1280, "height": 1600}


def pytest_collection_modifyitems(items):
    """In a browser everything takes longer, on a busy machine above all."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.timeout(300))


@pytest.fixture(scope="package")
def chromium():
    """Playwright's browser. It lives as long as this package: its event loop would be in the way of other tests."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install playwright")
    sync_api.expect.set_options(timeout=15_000)
    with sync_api.sync_playwright() as playwright:
        path = find_chromium(playwright.chromium.executable_path)
        if path is None:
            pytest.skip(MISSING)
        try:
            started = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        except sync_api.Error as error:
            if os.environ.get("CHROMIUM"):
                raise
            pytest.skip(f"{path} does not start; are its libraries there? {error.message.splitlines()[0]}")
        yield started
        started.close()


@pytest.fixture(scope="package")
def tab(chromium):
    """The tab, without network, in which pages are opened one after the other: a new one costs more than most tests."""
    context = chromium.new_context(offline=True)
    context.set_default_timeout(15_000)
    yield context.new_page()
    context.close()


class Pages:
    """Opens exported pages without network; `problems` is what they complained of, and what they asked for."""

    def __init__(self, tab, folder):
        self.tab, self.folder = tab, folder
        self.count, self.problems = 0, []
        self.heard = listen(tab, self.problems)

    def __call__(self, *shown, dark=False, width=1280, height=1600):
        """Playwright's page of views (several are linked), of a file, or of a text of HTML; the page before it ends."""
        self.leave()
        file = self.written(shown)
        self.tab.set_viewport_size({"width": width, "height": height})
        self.tab.emulate_media(color_scheme="dark" if dark else "light", reduced_motion="no-preference")
        self.tab.route("**/*", lambda route: self.only(file.as_uri(), route))
        self.tab.goto(file.as_uri())
        return self.tab

    def written(self, shown):
        self.count += 1
        file = self.folder / f"page{self.count}.html"
        if len(shown) > 1:
            from cltoolkit import widgets

            widgets.link(*shown).to_html(file)
        elif isinstance(shown[0], Path):
            return shown[0].resolve()
        elif isinstance(shown[0], str):
            file.write_text(shown[0], encoding="utf-8")
        else:
            shown[0].to_html(file)
        return file

    def only(self, address, route):
        if route.request.url.partition("#")[0] == address:
            route.continue_()
        else:
            self.problems.append(f"asked for {route.request.url}")
            route.abort()

    def leave(self):
        """Ends the page that is open, after all that it has to say."""
        self.tab.unroute_all()
        if self.tab.url != "about:blank":
            self.tab.goto("about:blank")

    def close(self):
        self.leave()
        for event, hear in self.heard.items():
            self.tab.remove_listener(event, hear)


def listen(page, problems):
    """Keeps what a page reports as an error; what it hears with, by event."""
    heard = {
        "pageerror": lambda error: problems.append(str(error)),
        "console": lambda message: problems.append(message.text) if message.type == "error" else None,
    }
    for event, hear in heard.items():
        page.on(event, hear)
    return heard


@pytest.fixture
def page_of(tab, tmp_path):
    pages = Pages(tab, tmp_path)
    yield pages
    pages.close()
    assert pages.problems == []


@pytest.fixture(scope="session")
def lab(tmp_path_factory):
    """A JupyterLab server on loopback, with a token."""
    pytest.importorskip("jupyterlab", reason="needs JupyterLab: pip install 'cltoolkit[notebooks]'")
    server = Lab(tmp_path_factory.mktemp("lab"))
    try:
        server.wait()
        yield server
    finally:
        server.close()


@pytest.fixture(scope="module")
def notebook(chromium, lab):
    """Opens a notebook of these cells, or a copy of the stored one of this path, and runs it unless `run=False`."""
    opened, problems = [], []

    def opens(*cells, run=True):
        name = f"notebook{len(list(lab.root.glob('*.ipynb')))}.ipynb"
        write(lab.root / name, cells)
        context = chromium.new_context(viewport=VIEWPORT)  # two tabs of one would share a workspace, and reload
        context.set_default_timeout(15_000)
        context.route("**/*", lambda route: only_from(lab, route, problems))
        page = context.new_page()
        listen(page, problems)
        opened.append(Notebook(page, lab, name))
        return opened[-1].run() if run else opened[-1]

    yield opens
    for each in opened:
        each.close()
        each.page.context.close()
    assert problems == []


def only_from(lab, route, problems):
    if route.request.url.startswith((f"{lab.url}/", "data:", "blob:")):
        route.continue_()
    else:
        problems.append(f"asked for {route.request.url}")
        route.abort()


def write(path, cells):
    """A notebook of these code cells; a copy of the stored one where a path is given."""
    import nbformat

    if len(cells) == 1 and isinstance(cells[0], Path):
        shutil.copyfile(cells[0], path)
    else:
        kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
        code = [nbformat.v4.new_code_cell(cell) for cell in cells]
        nbformat.write(nbformat.v4.new_notebook(cells=code, metadata={"kernelspec": kernel}), path)
