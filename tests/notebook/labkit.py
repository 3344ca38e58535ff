"""A real JupyterLab and a real browser for the tests of the panel."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nbformat

CHROMIUM = (
    shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
)


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


@contextmanager
def served(
    command: list[str], ready: str, folder: Path, env: dict[str, str], *, any_answer: bool = False
) -> Iterator[None]:
    """Run a server in `folder` until the block ends.

    It is up when `ready` answers; with `any_answer`, "not found" is an answer too.
    """
    log = (folder.parent / "server.log").open("w")
    process = subprocess.Popen(
        command, cwd=folder, env={**os.environ, **env}, stdout=log, stderr=log
    )
    try:
        end = time.monotonic() + 90
        while True:
            try:
                urllib.request.urlopen(ready, timeout=2).read()
                break
            except OSError as error:
                if any_answer and isinstance(error, urllib.error.HTTPError):
                    break
                if process.poll() is not None or time.monotonic() > end:
                    raise RuntimeError((folder.parent / "server.log").read_text()[-2000:]) from None
                time.sleep(0.2)
        yield
    finally:
        process.terminate()
        process.wait(20)
        log.close()


def private_env(tmp: Path) -> dict[str, str]:
    """Folders of Jupyter in a temporary place, so that settings of this user have no effect."""
    names = (
        "JUPYTER_CONFIG_DIR",
        "JUPYTER_DATA_DIR",
        "JUPYTER_RUNTIME_DIR",
        "JUPYTERLAB_SETTINGS_DIR",
        "JUPYTERLAB_WORKSPACES_DIR",
        "IPYTHONDIR",
    )
    made = {name: str(tmp / name.lower()) for name in names}
    for path in made.values():
        Path(path).mkdir(parents=True, exist_ok=True)
    return {**made, "HOME": str(tmp), "JUPYTER_PREFER_ENV_PATH": "1"}


@dataclass
class Lab:
    """A JupyterLab that serves one folder."""

    url: str
    token: str
    folder: Path
    settings: Path
    errors: list[str] = field(default_factory=list)
    """What the browser's console called an error."""
    strangers: list[str] = field(default_factory=list)
    """Requests to another host."""

    def write(self, name: str, cells: list[str]) -> Path:
        """Put a notebook of code `cells` into the folder."""
        notebook = nbformat.v4.new_notebook(
            metadata={
                "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}
            }
        )
        notebook.cells = [nbformat.v4.new_code_cell(cell) for cell in cells]
        path = self.folder / name
        nbformat.write(notebook, path)
        return path

    def theme(self, name: str) -> None:
        """Choose a theme for pages that are opened from now on."""
        place = self.settings / "@jupyterlab" / "apputils-extension"
        place.mkdir(parents=True, exist_ok=True)
        (place / "themes.jupyterlab-settings").write_text(
            json.dumps({"theme": name, "adaptive-theme": False})
        )
        news = place / "notification.jupyterlab-settings"
        news.write_text(json.dumps({"fetchNews": "false", "checkForUpdates": False}))

    def ask(self, method: str, path: str) -> Any:
        """Call the server's own API, again where a kernel that is just ending makes it stumble."""
        request = urllib.request.Request(
            f"{self.url}{path}", method=method, headers={"Authorization": f"token {self.token}"}
        )
        for left in range(40, -1, -1):
            try:
                body = urllib.request.urlopen(request, timeout=20).read()
            except urllib.error.HTTPError as error:
                if error.code == 404 and method == "DELETE":
                    return None
                if error.code < 500 or not left:
                    raise
                time.sleep(0.25)
            else:
                return json.loads(body) if body else None
        return None

    def forget(self) -> None:
        """End all kernels: one that lives on would keep what an earlier page made."""
        for session in self.ask("GET", "/api/sessions"):
            self.ask("DELETE", f"/api/kernels/{session['kernel']['id']}")

    def open(
        self,
        browser: Any,
        notebook: str,
        *,
        width: int = 1200,
        height: int = 1000,
        scale: float = 1,
        reset: bool = True,
    ) -> Page:
        """Open a notebook in a new page."""
        context = browser.new_context(
            viewport={"width": width, "height": height}, device_scale_factor=scale
        )
        page = context.new_page()
        host = self.url.removeprefix("http://")
        page.on(
            "console",
            lambda message: self.errors.append(message.text) if message.type == "error" else None,
        )
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on(
            "request",
            lambda request: None if _own(request.url, host) else self.strangers.append(request.url),
        )
        page.goto(f"{self.url}/lab/tree/{notebook}?token={self.token}{'&reset' if reset else ''}")
        page.wait_for_selector(".jp-Notebook", timeout=60_000)
        opened = Page(page, self)
        opened.idle()
        return opened


def _own(url: str, host: str) -> bool:
    return url.split("://", 1)[-1].startswith(host) or url.startswith(("data:", "blob:"))


@dataclass
class Page:
    """A notebook in the browser."""

    page: Any
    lab: Lab

    def idle(self) -> None:
        """Wait until the kernel is connected and idle: JupyterLab drops cells run before that."""
        end = time.monotonic() + 60
        while not any(
            k["connections"] and k["execution_state"] == "idle"
            for k in self.lab.ask("GET", "/api/kernels")
        ):
            if time.monotonic() > end:
                raise TimeoutError("no kernel is connected and idle")
            time.sleep(0.1)
        self.page.wait_for_selector(".jp-StatusBar-Widget :text('Idle')", timeout=60_000)
        self.page.wait_for_selector(
            ".jp-Notebook-ExecutionIndicator[data-status=idle]", timeout=60_000
        )

    def run(self, cell: int, *, wait: bool = True) -> None:
        """Run one cell as a person would: click into it, Shift+Enter."""
        box = self.page.locator(".jp-Notebook .jp-CodeCell").nth(cell)
        box.locator(".jp-InputArea-editor").click()
        self.page.keyboard.press("Shift+Enter")
        if wait:
            self.page.wait_for_function(
                "cell => { const p = document.querySelectorAll('.jp-Notebook "
                ".jp-CodeCell')[cell]?.querySelector('.jp-InputArea-prompt'); return p && "
                "/\\[\\d+\\]/.test(p.textContent); }",
                arg=cell,
                timeout=30_000,
            )

    def output(self, cell: int) -> Any:
        """The output of a cell, never its source."""
        return (
            self.page.locator(".jp-Notebook .jp-CodeCell")
            .nth(cell)
            .locator(".jp-Cell-outputWrapper")
        )

    def state(self, name: str, *, cell: int | None = None, timeout_s: float = 60) -> None:
        """Wait until the panel shows the state `name`."""
        where = self.page if cell is None else self.output(cell)
        where.locator(f"[data-state={name}]").first.wait_for(timeout=timeout_s * 1000)

    def press(self, css: str, **options: Any) -> None:
        """Press the panel's button of that class."""
        self.page.locator(f"button.{css}").first.click(**options)

    def text(self, css: str) -> str:
        """The text of the first element of that class."""
        return str(self.page.locator(f".{css}").first.inner_text())

    def shot(self, path: Path, css: str = ".sk-panel") -> None:
        """Take a picture of one element, once more where it was replaced in the meantime."""
        from playwright.sync_api import Error

        while True:
            try:
                self.page.locator(css).first.screenshot(path=str(path))
            except Error as error:
                if "not attached" not in str(error):
                    raise
            else:
                return

    def close(self) -> None:
        """Close the page and its context."""
        self.page.context.close()


@contextmanager
def lab(tmp: Path) -> Iterator[Lab]:
    """A JupyterLab in folders of its own."""
    folder, port, token = tmp / "work", free_port(), secrets.token_hex(8)
    folder.mkdir()
    env = private_env(tmp)
    made = Lab(f"http://127.0.0.1:{port}", token, folder, Path(env["JUPYTERLAB_SETTINGS_DIR"]))
    made.theme("JupyterLab Light")
    command = [
        sys.executable,
        "-m",
        "jupyterlab",
        "--no-browser",
        "--ip=127.0.0.1",
        f"--port={port}",
        "--allow-root",
        f"--ServerApp.token={token}",
        "--LabApp.news_url=None",
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
        "--ServerApp.root_dir=.",
    ]
    with served(
        command,
        f"http://127.0.0.1:{port}/api?token={token}",
        folder,
        {**env, "SHIPKIT_HOME": str(tmp / "home")},
    ):
        yield made


@contextmanager
def chromium() -> Iterator[Any]:
    """A headless Chromium."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        browser = play.chromium.launch(
            executable_path=CHROMIUM,
            args=["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"],
        )
        yield browser
        browser.close()
