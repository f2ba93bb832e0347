"""What every view has from its base: state, messages, a page of its own, a bundle for readers without a kernel."""

import base64
import hashlib
import json
import re

import numpy as np
import pytest
import traitlets
from hypothesis import given, settings
from hypothesis import strategies as st
from made_runs import HOSTILE

from cltoolkit import plots
from cltoolkit.widgets import View
from cltoolkit.widgets._page import page, plain


class Plain(View):
    """Says how many numbers it was given."""

    front = ("run_explorer",)
    chosen = traitlets.Int(0).tag(sync=True)

    def __init__(self, title="plain", tasks=("a", "b")):
        super().__init__(title=title, tasks=tasks)
        self.show({"word": "first"}, {"x": [1.0, 2.0]})

    def figure(self):
        return plots.sheet([lambda ax: ax.plot([0, 1])[0].axes])

    def words(self):
        return f"Numbers, {self.chosen} of them chosen."

    def answer(self, *question):
        match question:
            case ["double", x]:
                return 2 * x
            case ["unknown"]:
                return {"value": float("nan"), "array": np.arange(2)}
        return super().answer(*question)

    def questions(self):
        return [["double", 2], ["unknown"]]


def numbers(held):
    return np.frombuffer(held["data"], "<f4").reshape(held["shape"])


def states(text):
    """The state of each view on a page."""
    return [json.loads(found) for found in re.findall(r"<script type=\"application/json\"[^>]*>(.*?)</script>", text)]


# State


@pytest.mark.parametrize("t", [-2, 2, 100])
def test_a_task_that_is_none_is_refused_with_what_there_is(t):
    view = Plain()
    with pytest.raises(traitlets.TraitError, match="expected a task from 0 to 1, or -1 for none"):
        view.task = t
    assert view.task == -1


def test_what_is_shown_anew_leaves_the_rest():
    view = Plain()
    view.show({"other": 1}, {"y": np.eye(2)})
    assert view.content["word"] == "first"
    assert view.content["other"] == 1
    assert numbers(view.arrays["x"]).tolist() == [1.0, 2.0]
    assert numbers(view.arrays["y"]).tolist() == np.eye(2).tolist()
    assert view.rev == 2


@pytest.mark.parametrize("values", [[1, None], [np.nan, np.inf], np.zeros((0, 3)), 5, np.float32(2), [1e300]])
def test_numbers_of_any_kind_become_float32(values):
    view = Plain()
    view.show({}, {"x": values})
    held = view.arrays["x"]
    assert len(held["data"]) == 4 * int(np.prod(held["shape"]))


def test_everything_shown_goes_in_one_message(comms):
    view = Plain()
    view.comm.sent.clear()
    view.show({"word": "second"}, {"x": [3.0], "y": [4.0]})
    [(data, buffers)] = view.comm.sent
    assert {"content", "arrays", "rev"} <= set(data["state"])
    assert [len(buffer) for buffer in buffers] == [4, 4]


def test_the_words_follow_what_is_chosen(comms):
    view = Plain()
    view.comm.set(chosen=2)
    assert view.alt == view.alt_text == "Numbers, 2 of them chosen."
    assert {"alt": view.alt} in view.comm.updates()


def test_a_front_end_cannot_set_what_there_is_not(comms):
    view = Plain()
    view.comm.set(task=7)  # ipywidgets logs the error
    assert view.task == -1


# Questions


def test_a_question_is_answered_under_the_name_it_was_asked(comms):
    assert Plain().comm.ask("double", 4) == {"about": '["double",4]', "answer": 8}


@pytest.mark.parametrize("question", [["nothing"], [], [None, {"a": 1}]])
def test_a_question_without_answer_gets_an_error_and_not_silence(comms, question):
    heard = Plain().comm.ask(*question)
    assert "has no answer" in heard["error"]


def test_other_messages_are_left_alone(comms):
    view = Plain()
    view.comm.sent.clear()
    for content in ({"ask": "no list"}, {"tell": 1}, "text"):
        view.comm.hear(method="custom", content=content)
    assert view.comm.sent == []


texts = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@given(texts)
@settings(max_examples=25)
def test_plain_is_json_and_plain_again(value):
    once = plain(value)
    assert json.loads(json.dumps(once, allow_nan=False)) == once
    assert plain(once) == once


# A page


def test_a_page_holds_the_state_and_the_answers():
    view = Plain()
    view.task = 1
    [state] = states(view.to_html())
    assert state["task"] == 1
    assert base64.b64decode(state["arrays"]["x"]["data"]) == view.arrays["x"]["data"]
    assert state["answers"] == {'["double",2]': 4, '["unknown"]': {"value": None, "array": [0, 1]}}
    assert not {"layout", "_esm", "_css", "tooltip"} & set(state)


def test_the_same_view_gives_the_same_page():
    assert Plain().to_html() == Plain().to_html()


def test_a_page_names_its_script_by_its_hash_and_asks_nobody():
    text = Plain().to_html()
    [script] = re.findall(r"<script type=\"module\">(.*?)</script>", text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in text
    assert "default-src 'none'" in text
    assert not re.findall(r"https?:|//[a-z]+\.[a-z]+|\bsrc=|<link|@import|url\(", text)


@pytest.mark.parametrize("name", HOSTILE)
def test_no_name_is_markup_in_a_page(name):
    """Read as a browser does: the same elements as with harmless names, and the name whole within the data."""
    text, harmless = (Plain(each, [each, "b"]).to_html() for each in (name, "harmless"))
    assert re.findall(r"<[a-z/!]+", text) == re.findall(r"<[a-z/!]+", harmless)
    assert states(text)[0]["tasks" if "tasks" in states(text)[0] else "content"]["tasks"] == [name, "b"]


def test_a_page_goes_to_a_file_in_a_folder_that_need_not_be_there(tmp_path):
    view = Plain()
    path = view.to_html(tmp_path / "new" / "page.html")
    assert path == tmp_path / "new" / "page.html"
    assert path.read_text("utf-8") == view.to_html()


def test_views_of_a_kind_share_their_code():
    one, two = (page("title", [Plain().state_of_page()] * n) for n in (1, 2))
    assert len(states(two)) == 2
    assert len(two) < len(one) + 2_000


# A bundle


def test_the_bundle_has_the_live_view_a_picture_and_words():
    data, metadata = Plain()._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in data
    assert base64.b64decode(data["image/png"]).startswith(b"\x89PNG")
    assert data["text/plain"] == "Plain(plain)"
    assert metadata == {"image/png": {"alt": "Numbers, 0 of them chosen."}}


def test_the_words_stand_in_for_the_picture_where_a_page_of_a_notebook_has_room_for_them():
    """nbconvert's classic template; its newer one gives no picture a text of its own."""
    nbconvert, nbformat = pytest.importorskip("nbconvert"), pytest.importorskip("nbformat")
    data, metadata = Plain()._repr_mimebundle_()
    data.pop("application/vnd.jupyter.widget-view+json")
    shown = nbformat.v4.new_output("display_data", data, metadata=metadata)
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("view", outputs=[shown])])
    text, _ = nbconvert.HTMLExporter(template_name="classic").from_notebook_node(book)
    assert 'alt="Numbers, 0 of them chosen."' in text


def test_a_repr_is_stable():
    assert repr(Plain()) == repr(Plain()) == "Plain(plain)"


@pytest.mark.parametrize("call", [lambda view: view.figure(), lambda view: view.words()])
def test_a_view_has_to_say_what_it_shows(call):
    with pytest.raises(NotImplementedError):
        call(View(title="abstract", tasks=[]))
