"""A JupyterLab that a test drives: its server on loopback, a notebook in a browser, and the notebook's kernel."""

import ast
import http.client
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
SETTINGS = {
    "@jupyterlab/notebook-extension/tracker": {"windowingMode": "none"},  # what is below the fold is drawn too
    "@jupyterlab/apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
    "@jupyterlab/docmanager-extension/plugin": {"autosave": False},
}
# A promise that never settles would hang page.evaluate, which has no time limit of its own.
RACE = """async ([body, argument, limit]) => {
    const run = new Function("argument", `return (async () => { ${body} })()`);
    let timer;
    const late = new Promise((_, refuse) => {
        timer = setTimeout(() => refuse(new Error(`took more than ${limit} ms: ${body}`)), limit);
    });
    try { return await Promise.race([run(argument), late]); } finally { clearTimeout(timer); }
}"""
OPENED = """
    const panel = window.jupyterapp.shell.currentWidget;
    await panel.revealed; await panel.sessionContext.ready; await panel.sessionContext.session.kernel.info;
"""
WRONG = ".jp-Notebook [data-mime-type='application/vnd.jupyter.error'], .jp-Notebook [data-mime-type$='stderr']"


class Lab:
    """A JupyterLab server in a folder of its own, on loopback, that only those who know its token may use."""

    def __init__(self, folder):
        self.root, self.runtime, self.data = folder / "work", folder / "runtime", folder / "data"
        self.root.mkdir()
        self.token = secrets.token_hex(24)
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._log = folder / "server.log"
        settle(folder / "settings")
        with self._log.open("w") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "jupyterlab", *self._words(folder)],
                env=self._environment(folder),
                cwd=self.root,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C is for pytest, which ends the server
            )

    def _words(self, folder):
        return [
            "--no-browser",
            "--ip=127.0.0.1",
            f"--port={self.port}",
            "--port-retries=0",
            "--allow-root",
            f"--ServerApp.root_dir={self.root}",
            "--ServerApp.terminals_enabled=False",
            "--ServerApp.shutdown_no_activity_timeout=900",  # should the tests be killed, it does not stay
            f"--LabApp.user_settings_dir={folder / 'settings'}",
            f"--LabApp.workspaces_dir={folder / 'workspaces'}",
            "--LabApp.expose_app_in_browser=True",
            "--LabApp.news_url=None",
        ]

    def _environment(self, folder):
        """The token goes this way: a command line is read by everyone on the machine."""
        inherited = {name: value for name, value in os.environ.items() if name != "MPLBACKEND"}
        return inherited | {
            "JUPYTER_TOKEN": self.token,
            "JUPYTER_RUNTIME_DIR": str(self.runtime),
            "JUPYTER_CONFIG_DIR": str(folder / "config"),
            "JUPYTER_DATA_DIR": str(self.data),
            "JUPYTER_PLATFORM_DIRS": "1",
            "IPYTHONDIR": str(folder / "ipython"),
            "OMP_NUM_THREADS": "1",
            "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), str(ROOT / "tests"), os.environ.get("PYTHONPATH")])),
        }

    def wait(self, seconds=60):
        """Returns when the server answers."""
        end = time.monotonic() + seconds
        while True:
            try:
                return self.ask("/api/status")
            except OSError as error:
                if self._process.poll() is not None or time.monotonic() > end:
                    raise RuntimeError(f"JupyterLab did not start:\n{self._log.read_text()[-3000:]}") from error
                time.sleep(0.05)

    def ask(self, path, method="GET"):
        """What the server answers to one who knows the token, as JSON."""
        status, answer = self.answer(path, method, Authorization=f"token {self.token}")
        if status >= 400:
            raise OSError(f"{method} {path}: {status}: {answer}")
        return json.loads(answer or "null")

    def answer(self, path, method="GET", **headers):
        """The status and the text that the server answers."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request(method, path, headers=headers)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def close(self):
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


class Notebook:
    """A notebook open in a browser; its cells have run."""

    def __init__(self, page, lab, name):
        self.page, self.lab, self.name = page, lab, name
        page.goto(f"{lab.url}/doc/tree/{name}?reset&token={lab.token}", wait_until="domcontentloaded")
        page.wait_for_function("() => window.jupyterapp?.shell", timeout=60_000)
        self.js("await window.jupyterapp.restored")
        page.wait_for_function("() => window.jupyterapp.shell.currentWidget?.sessionContext", timeout=60_000)
        self.js(OPENED)  # the indicator of execution says "idle" before there is a kernel
        self.kernel = Kernel(lab, name)

    def js(self, body, argument=None, limit=60_000):
        """What an async JavaScript function with this body returns; at most `limit` milliseconds."""
        return self.page.evaluate(RACE, [body, argument, limit])

    def run(self, limit=120_000):
        """Runs every cell, and fails for errors and for what is said on stderr."""
        self.js("await window.jupyterapp.commands.execute('notebook:run-all-cells')", limit=limit)
        wrong = self.page.locator(WRONG).all_inner_texts()
        assert not wrong, "\n".join(wrong)
        return self

    def cell(self, index):
        """The outputs of a code cell, counted from 0; -1 is the last."""
        return self.page.locator(".jp-Notebook .jp-CodeCell").nth(index).locator(".jp-Cell-outputArea")

    def close(self):
        self.kernel.close()
        for session in self.lab.ask("/api/sessions"):
            if session["path"] == self.name:
                self.lab.ask(f"/api/sessions/{session['id']}", "DELETE")


class Kernel:
    """The Python side of an open notebook: a second client of its kernel."""

    def __init__(self, lab, name):
        from jupyter_client import BlockingKernelClient

        [session] = [session for session in lab.ask("/api/sessions") if session["path"] == name]
        file = lab.runtime / f"kernel-{session['kernel']['id']}.json"
        self.client = BlockingKernelClient(connection_file=str(file))
        self.client.load_connection_file()
        self.client.start_channels()

    def eval(self, expression, seconds=20):
        """The value of an expression; a literal. A statement is written `exec("...")`."""
        request = self.client.execute("", silent=False, store_history=False, user_expressions={"value": expression})
        while True:
            message = self.client.get_shell_msg(timeout=seconds)
            if message["parent_header"].get("msg_id") == request:
                break
        value = message["content"]["user_expressions"]["value"]
        if value["status"] != "ok":
            raise RuntimeError(f"{expression}: {value['ename']}: {value['evalue']}")
        return ast.literal_eval(value["data"]["text/plain"])

    def wait(self, expression, wanted, seconds=30):
        """Returns when the expression has the value wanted."""
        end = time.monotonic() + seconds
        while (value := self.eval(expression)) != wanted:
            assert time.monotonic() < end, f"{expression} is {value!r} in the kernel; wanted {wanted!r}"
            time.sleep(0.02)

    def close(self):
        self.client.stop_channels()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def settle(folder):
    """Writes the settings of a JupyterLab that asks nothing and looks nothing up."""
    for name, settings in SETTINGS.items():
        file = folder / f"{name}.jupyterlab-settings"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(settings))
