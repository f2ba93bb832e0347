"""Widgets without a kernel and without a browser: `comms` records what goes to a front end, and plays one."""

from uuid import uuid4

import comm
import ipywidgets
import pytest


class Comm:
    """What ipywidgets talks to. Without a kernel it would drop everything; this one keeps it."""

    def __init__(self, data=None, **_):
        self.comm_id, self.opened, self.sent = uuid4().hex, data, []
        self._hear = None

    def on_msg(self, hear):
        self._hear = hear

    def on_close(self, hear):
        pass

    def open(self, *args, **kwargs):
        pass

    def close(self, *args, **kwargs):
        pass

    def send(self, data=None, metadata=None, buffers=None):
        self.sent.append((data, buffers or []))

    def hear(self, **data):
        self._hear({"content": {"data": data}, "buffers": []})

    def set(self, **state):
        """The front end sets traits."""
        self.hear(method="update", state=state, buffer_paths=[])

    def ask(self, *question):
        """The front end asks; what it is answered."""
        self.hear(method="custom", content={"ask": list(question)})
        return self.sent[-1][0]["content"]

    def updates(self):
        """The states that were sent, one per message."""
        return [data["state"] for data, _ in self.sent if data["method"] == "update"]


@pytest.fixture
def comms(monkeypatch):
    """Makes every widget of this test talk to a `Comm`, which is `view.comm`."""
    monkeypatch.setattr(comm, "create_comm", Comm)


@pytest.fixture(autouse=True)
def _closed():
    """Widgets live in a registry until they are closed."""
    yield
    ipywidgets.Widget.close_all()
