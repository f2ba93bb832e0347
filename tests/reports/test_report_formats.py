"""Names come from strangers: in every format they are shown as text, whatever they would mean there."""

import html
import re
import shutil
import subprocess
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cltoolkit import Run
from cltoolkit.reports import _latex, _markdown, _words, report

HOSTILE = (
    "<img src=x onerror=\"document.title='hit'\">",
    "</title><script>alert(1)</script>",
    "a|b \\| c\\",
    "100% of_a_b $x$ {y} #1 ^~&",
    "two\nlines\r\n| three |",
    "**bold** `code` [link](https://example.org) ![](x)",
    r"\input{/etc/passwd} \end{document} %",
    "]] --> '' ,, -- [1ex] *",
    "naïve Łódź 中文 \u202e \u2028 \x00 \ud800",
    "_hidden",
    r"$\undefined$",
)
SUFFIXES = [".html", ".md", ".tex"]


def hostile_run(name, seed=0):
    """Its learner, a setting, a task, its sequence, its environment and its status are all called `name`."""
    config = {
        "learner": {"name": name, "config": {name: name}},
        "sequence": {"name": name, "scenario": name, "tasks": [{"name": name}, {"name": f"{name} 2"}]},
        "seed": seed,
    }
    draw = np.random.default_rng(seed)
    return Run(draw.random((3, 2)), config, {name: name}, np.ones(2), np.full(2, 1e6), name)


@pytest.fixture(params=range(len(HOSTILE)), ids=lambda i: HOSTILE[i].encode("ascii", "replace").decode()[:12])
def name(request):
    return HOSTILE[request.param]


class Texts(HTMLParser):
    """The texts of a page's cells and headings, and the tags there are."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.values, self.texts = set(), [], [""]
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.values += [name for name, _ in attrs]
        self.texts.append("")

    def handle_data(self, data):
        self.texts[-1] += data


PAGE = {"html", "head", "meta", "title", "style", "body", "main", "h1", "h2", "h3", "p", "nav", "ol", "li", "a", "div"}
PAGE |= {"section", "table", "caption", "thead", "tbody", "tr", "th", "td", "strong", "figure", "figcaption", "img"}


def as_written(name):
    """A lone surrogate has no bytes, and a parser takes its own view of carriage returns and zeros."""
    return name.encode("utf-8", "replace").decode()


def test_strange_names_are_text_in_html(tmp_path, name, monkeypatch):
    monkeypatch.setattr("cltoolkit.reports._html._picture", lambda panel: "")  # drawing is slow, and tested below
    runs = [hostile_run(name, seed) for seed in range(2)]
    file = report([*runs, hostile_run("tame")], tmp_path / "r.html", title=name)
    found = Texts(file.read_bytes().decode("utf-8"))
    assert found.tags <= PAGE
    assert not [each for each in found.values if each.startswith("on")]
    assert found.texts.count(as_written(name).replace("\r\n", "\n")) >= 3 or "\r" in name or "\x00" in name


@pytest.mark.parametrize("strange", [r"$\undefined$ $x", "<b>_x_</b>\n$", "_hidden", "\x00\ud800\u202e"])
def test_strange_names_are_drawn(tmp_path, strange):
    run = replace(hostile_run(strange), curves={"task": np.zeros(2), "step": np.arange(2), strange: np.ones(2)})
    text = report(run, tmp_path / "r.html").read_text(encoding="utf-8")
    assert text.count("data:image/png") >= 2


def test_strange_names_keep_to_their_cells_in_markdown(tmp_path, name):
    runs = [hostile_run(name, seed) for seed in range(2)]
    text = report([*runs, hostile_run("tame")], tmp_path / "r.md", title=name).read_text(encoding="utf-8")
    for block in (block for block in text.split("\n\n") if block.startswith("| ")):
        widths = {len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines()}
        assert len(widths) == 1
    assert text.count("\n# ") == 0
    assert not re.search(r"(?<!\\)<", text)
    assert "://" not in text


def test_markdown_shows_names_as_they_are(name):
    markdown_it = pytest.importorskip("markdown_it")
    parser = markdown_it.MarkdownIt("commonmark").enable("table")
    escaped = _markdown.escaped(as_written(name).replace("\x00", ""))
    shown = " ".join(as_written(name).replace("\x00", "").split())
    [row] = re.findall(r"<td>(.*?)</td>", parser.render(f"| a |\n| - |\n| {escaped} |\n"), re.DOTALL)
    assert html.unescape(row) == shown
    assert html.unescape(parser.render(escaped)) == f"<p>{shown}</p>\n"


@settings(max_examples=25)
@given(st.text())
def test_markdown_has_no_special_character_left(text):
    assert not re.search(r"(?<!\\)[*_\[\]$~!]|[<>|`]|\n", re.sub(r"&#?\w+;", "", _markdown.escaped(text)))


COMMANDS = re.compile(r"\\(?:text[a-z]+|ensuremath|pm|star|uparrow|downarrow|times|cdot|ldots|[{}$&#%_-])")


@settings(max_examples=25)
@given(st.text())
def test_latex_has_no_special_character_left(text):
    escaped = _latex.escaped(text)
    bare = COMMANDS.sub("", escaped)
    assert not set(bare) & set('\\$&#%_^~"`<>|')
    assert balanced(escaped)
    assert all(character.isascii() or ord(character) <= _latex.FONT for character in bare)


def balanced(text):
    depth = 0
    for brace in re.findall(r"(?<!\\)[{}]", text):
        depth += 1 if brace == "{" else -1
        assert depth >= 0
    return depth == 0


def test_latex_keeps_its_structure(tmp_path, name):
    runs = [hostile_run(name, seed) for seed in range(2)]
    text = report([*runs, hostile_run("tame")], tmp_path / "r.tex", title=name).read_text(encoding="utf-8")
    assert balanced(re.sub(r"%.*", "", text.replace(r"\%", "")))
    assert text.count(r"\begin{") == text.count(r"\end{")
    assert text.endswith("\\end{document}\n")
    assert text.count(r"\end{document}") == 1
    for table in re.findall(r"\\begin\{longtable\}.*?\\end\{longtable\}", text, re.DOTALL):
        rows = [row for row in table.splitlines() if row.endswith(r" \\") and "multicolumn" not in row]
        assert len({len(re.findall(r"(?<!\\)&", row)) for row in rows}) == 1
        assert not [row for row in rows if row.startswith(("[", "*"))]


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="needs pdflatex")
def test_latex_compiles(tmp_path):
    runs = [replace(hostile_run(each, seed), status="finished") for each in HOSTILE for seed in range(2)]
    report(runs, tmp_path / "r.tex", title=HOSTILE[3])
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", "r.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, timeout=150)
    assert done.returncode == 0, done.stdout.decode(errors="replace")[-2000:]
    assert (tmp_path / "r.pdf").stat().st_size > 10_000


@pytest.mark.parametrize(
    ("value", "said"),
    [(0.5, "0.500"), (-0.0001, "0.000"), (-0.25, "−0.250"), (np.nan, "–"), (123.45, "123.5"), (-1e-17, "0.000")],
)
def test_numbers_as_they_are_read(value, said):
    assert _words.number(value) == said


def test_half_widths_are_never_rounded_to_nothing():
    assert _words.spread(0.5, 0.0001) == "0.500 ± <0.001"
    assert _words.spread(0.5, 0.0) == "0.500 ± 0.000"
    assert _words.spread(0.5, np.nan) == "0.500"


@settings(max_examples=25)
@given(st.floats(-2, 2))
def test_differences_show_their_sign(value):
    said = _words.difference(value)
    assert float(said.replace("−", "-")) == pytest.approx(value, abs=5.1e-4)
    assert said.startswith(("+", "−")) == (abs(float(said.replace("−", "-"))) > 0)
