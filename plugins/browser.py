"""A headless Chromium, driven by chromedriver over W3C WebDriver."""

import base64
import json
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
CHROMEDRIVER = shutil.which("chromedriver")

KEYS = {"Tab": "\ue004", "Enter": "\ue007", "Escape": "\ue00c", "ArrowRight": "\ue014", "ArrowDown": "\ue015"}


class Browser:
    """A window; a context manager, which closes it."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}/session"
        self.driver = subprocess.Popen(
            [str(CHROMEDRIVER), f"--port={port}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        self.options = {
            "binary": CHROMIUM,
            "args": ["--headless=new", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder}"],
        }
        self.capabilities = {
            "browserName": "chrome",
            "goog:chromeOptions": self.options,
            "goog:loggingPrefs": {"browser": "ALL"},
        }

    def __enter__(self) -> "Browser":
        for _ in range(100):  # until the driver listens
            try:
                session = self._post(self.url, {"capabilities": {"alwaysMatch": self.capabilities}})
            except urllib.error.HTTPError as error:
                self.driver.kill()
                self.driver.wait()
                raise RuntimeError(error.read().decode()) from error
            except OSError:
                time.sleep(0.1)
            else:
                self.url += f"/{session['sessionId']}"
                return self
        raise TimeoutError("chromedriver does not listen")

    def __exit__(self, *error: object) -> None:
        try:
            urllib.request.urlopen(urllib.request.Request(self.url, method="DELETE"), timeout=30).close()
        finally:
            self.driver.terminate()
            self.driver.wait()

    def open(self, url: str) -> None:
        """Load a page."""
        self._post(f"{self.url}/url", {"url": url})

    def run(self, script: str) -> Any:
        """What the body of a function in JavaScript returns."""
        return self._post(f"{self.url}/execute/sync", {"script": script, "args": []})

    def wait_for(self, script: str, seconds: float = 60) -> Any:
        """What the script returns as soon as that is true."""
        end = time.monotonic() + seconds
        while not (value := self.run(script)):
            if time.monotonic() > end:
                raise TimeoutError(f"{script}; the page says {self.run('return document.body.innerText')!r}")
            time.sleep(0.05)
        return value

    def console(self) -> list[str]:
        """Errors and warnings on the console since the last call."""
        return [entry["message"] for entry in self._post(f"{self.url}/se/log", {"type": "browser"})]

    def resize(self, width: int, height: int) -> None:
        """Give the page a size in CSS pixels, also one that no window has."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.devtools("Emulation.setDeviceMetricsOverride", size)

    def press(self, *keys: str) -> None:
        """Press and release keys, one after the other; names are those of `KEYS`."""
        actions = [{"type": kind, "value": KEYS.get(key, key)} for key in keys for kind in ("keyDown", "keyUp")]
        self._post(f"{self.url}/actions", {"actions": [{"type": "key", "id": "keyboard", "actions": actions}]})

    def screenshot(self, path: Path) -> None:
        """Write the whole page as a PNG."""
        options = {"captureBeyondViewport": True}
        path.write_bytes(base64.b64decode(self.devtools("Page.captureScreenshot", options)["data"]))

    def devtools(self, command: str, parameters: dict[str, Any]) -> Any:
        """What a command of the DevTools protocol returns."""
        return self._post(f"{self.url}/goog/cdp/execute", {"cmd": command, "params": parameters})

    def draw(self, points: list[tuple[int, int]]) -> None:
        """Move the mouse along points of the window with its button down."""
        (x, y), *others = points
        actions = [
            {"type": "pointerMove", "x": x, "y": y, "duration": 0},
            {"type": "pointerDown", "button": 0},
            *({"type": "pointerMove", "x": x, "y": y, "duration": 5} for x, y in others),
            {"type": "pointerUp", "button": 0},
        ]
        self._post(f"{self.url}/actions", {"actions": [{"type": "pointer", "id": "mouse", "actions": actions}]})

    def _post(self, url: str, body: dict[str, Any]) -> Any:
        request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=120) as response:
            return json.load(response)["value"]
