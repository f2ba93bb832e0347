"""`cltoolkit notebooks` and `cltoolkit lab`, as one types them."""

import http.client
import importlib.util
import os
import re
import signal
import socket
import subprocess
import sys
import time
from urllib.parse import urlsplit

import pytest
from live_lab import ROOT, free_port
from made_notebooks import code, stored, words

from cltoolkit.cli import main


@pytest.fixture
def said(capsys):
    """Runs a command: its status, and the lines on stdout and stderr."""

    def run(*words):
        status = main([str(word) for word in words])
        out, err = capsys.readouterr()
        return status, out.splitlines(), err.splitlines()

    return run


def test_check_says_one_line_per_finding(said, tmp_path):
    path = stored(tmp_path / "a.ipynb", words(""), code("1", count=3))
    status, out, _ = said("notebooks", "check", path)
    assert status == 1
    assert [line.removeprefix(str(path)).split(":")[:3] for line in out] == [["", "2", " order"], ["", "1", " empty"]]


def test_check_is_content_with_a_clean_notebook(said, tmp_path):
    assert said("notebooks", "check", stored(tmp_path / "a.ipynb", words("a"))) == (0, [], [])


def test_check_mends_and_then_checks(said, tmp_path):
    path = stored(tmp_path / "a.ipynb", words(""), words("a"))
    assert said("notebooks", "check", "--fix", path) == (0, [f"{path}:1: empty: is empty; mended"], [])
    assert said("notebooks", "check", "--fix", path) == (0, [], [])


def test_check_leaves_rules_out(said, tmp_path):
    assert said("notebooks", "check", stored(tmp_path / "a.ipynb", words("")), "--skip", "empty")[0] == 0


def test_check_says_what_is_not_there(said, tmp_path):
    status, out, err = said("notebooks", "check", tmp_path / "missing")
    assert (status, out, len(err)) == (2, [], 1)


def test_student_says_where_the_copy_is(said, tmp_path):
    path = stored(tmp_path / "a.ipynb", code("1", tags=["solution"]))
    assert said("notebooks", "student", path) == (0, [str(tmp_path / "a_student.ipynb")], [])
    assert said("notebooks", "student", tmp_path / "a_student.ipynb")[0] == 2


def test_lab_without_jupyterlab_says_how_to_get_it(said, tmp_path, monkeypatch):
    monkeypatch.setattr("cltoolkit.cli._notebooks.find_spec", lambda name: None)
    status, _, [line] = said("lab", tmp_path)
    assert status == 2
    assert "-m pip install 'cltoolkit[notebooks]'" in line
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(importlib.util.find_spec("jupyterlab") is None, reason="needs JupyterLab")
def test_lab_copies_the_notebooks_and_serves_them_to_those_who_know_the_token(tmp_path):
    port, work = free_port(), tmp_path / "work"
    environment = os.environ | {
        "PYTHONPATH": str(ROOT),
        "PYTHONUNBUFFERED": "1",
        "JUPYTER_RUNTIME_DIR": str(tmp_path / "runtime"),
        "JUPYTER_CONFIG_DIR": str(tmp_path / "config"),
        "JUPYTER_DATA_DIR": str(tmp_path / "data"),
        "JUPYTER_PLATFORM_DIRS": "1",
    }
    words = [sys.executable, "-m", "cltoolkit", "lab", work, "--no-browser", "--allow-root", f"--port={port}"]
    with (tmp_path / "log").open("w+") as log:
        server = subprocess.Popen(words, env=environment, stdout=log, stderr=subprocess.STDOUT, cwd=tmp_path)
        try:
            address = said_address(server, tmp_path / "log")
            path, token = re.fullmatch(rf"http://127\.0\.0\.1:{port}(/[^?]*)\?token=(\w{{20,}})", address).groups()
            assert path == "/lab/tree/notebooks/00_tour.ipynb"
            assert status(port, "/api/contents/notebooks/00_tour.ipynb") == 403
            assert status(port, f"/api/contents/notebooks/00_tour.ipynb?token={token}") == 200
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait(20)
    assert (work / "notebooks" / "00_tour.ipynb").is_file()


def said_address(server, log):
    """Where JupyterLab says that it is, once it answers there: it says so before it listens."""
    end = time.monotonic() + 60
    while not ((found := re.search(r"http://127\S+token=\w+(?=\s)", log.read_text())) and answers(found[0])):
        assert server.poll() is None, log.read_text()
        assert time.monotonic() < end, log.read_text()
        time.sleep(0.05)
    return found[0]


def answers(address):
    """Whether somebody listens."""
    try:
        socket.create_connection(("127.0.0.1", urlsplit(address).port), timeout=10).close()
    except ConnectionRefusedError:
        return False
    return True


def status(port, path):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    finally:
        connection.close()
