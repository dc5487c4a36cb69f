"""The page that recognises a digit drawn with the mouse, in a headless browser, without a network."""

import functools
import math
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from ...browser import CHROMEDRIVER, CHROMIUM, Browser

WEB = Path(__file__).parents[1] / "web"
STROKES = {
    0: [[(140 + 55 * math.sin(a / 15 * math.pi), 140 - 85 * math.cos(a / 15 * math.pi)) for a in range(31)]],
    1: [[(140, 50 + 6 * step) for step in range(31)]],
    7: [[(80 + 6 * step, 60) for step in range(21)], [(200 - 4 * step, 60 + 9 * step) for step in range(19)]],
}


class Handler(SimpleHTTPRequestHandler):
    """Serves the page, and a model from elsewhere as model.onnx."""

    model: Path

    def translate_path(self, path: str) -> str:
        return str(self.model) if path == "/model.onnx" else super().translate_path(path)

    def log_message(self, *arguments: object) -> None:
        """Print nothing."""


@pytest.fixture
def serve() -> Iterator:
    """A function that gives the address of the page with a model."""
    servers = []

    def start(model: Path) -> str:
        handler = type("WithModel", (Handler,), {"model": model})
        server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(handler, directory=str(WEB)))
        servers.append(server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{server.server_port}/index.html"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    if not (CHROMIUM and CHROMEDRIVER):
        pytest.skip("no browser: install chromium and chromedriver (Debian: chromium-driver)")
    if not (WEB / "node_modules" / "onnxruntime-web").is_dir():
        pytest.skip(f"no onnxruntime for the browser: npm ci --prefix {WEB}")
    with Browser(tmp_path_factory.mktemp("profile")) as window:
        yield window


def draw(browser: Browser, digit: int) -> str:
    """What the page says to a digit drawn with the mouse."""
    browser.run("document.querySelector('button').click()")
    box = browser.run("const box = document.querySelector('canvas').getBoundingClientRect(); return [box.x, box.y]")
    for stroke in STROKES[digit]:
        browser.run("window.last = undefined")
        browser.draw([(round(box[0] + x), round(box[1] + y)) for x, y in stroke])
        browser.wait_for("return window.last !== undefined")
    return browser.run("return document.querySelector('#answer').textContent")


def test_the_page_recognises_digits_as_onnxruntime_does(browser, serve, cli):
    directory = cli("model=mlp", "recipe.max_epochs=20").run_dir
    assert cli("export", str(directory)).code == 0
    model = directory / "exports" / "mlp.onnx"
    browser.open(serve(model))
    browser.wait_for("return document.querySelector('#answer').textContent === 'Draw a digit'")
    session = onnxruntime.InferenceSession(model)
    for digit in STROKES:
        answer = draw(browser, digit)
        last = browser.run("return window.last")
        (expected,) = session.run(None, {"x": np.array([last["input"]], np.float32)})
        np.testing.assert_allclose(last["probabilities"], expected[0], rtol=1e-4, atol=1e-6)
        assert answer.startswith(f"{digit}, probability 0."), answer


def test_a_drawing_is_scaled_and_centred_as_in_mnist(browser, serve, tmp_path):
    browser.open(serve(tmp_path / "absent.onnx"))
    browser.wait_for("return document.querySelector('#answer').textContent.startsWith('Choose')")
    script = """
    window.result = null;
    import('./input.js').then(({ toInput }) => {
      const pixels = new Uint8ClampedArray(100 * 100);
      window.nothing = toInput(pixels, 100);
      for (let y = 5; y < 65; y++) for (let x = 70; x < 90; x++) pixels[y * 100 + x] = 255;
      window.result = Array.from(toInput(pixels, 100));
    });
    """
    browser.run(script)
    picture = np.array(browser.wait_for("return window.result")).reshape(28, 28)
    assert browser.run("return window.nothing") is None
    assert picture.max() == 255 / 256
    rows, columns = np.nonzero(picture > 0.5)
    assert np.ptp(rows) + 1 == 20  # the higher side is 20 pixels
    assert np.ptp(columns) + 1 in (6, 7)  # the other a third of it
    mass = [float((picture.sum(1 - axis) * (np.arange(28) + 0.5)).sum() / picture.sum()) for axis in (0, 1)]
    assert mass == pytest.approx([14, 14], abs=0.2)


def test_a_file_that_is_no_model_is_named(browser, serve, tmp_path):
    (tmp_path / "text.onnx").write_text("no model")
    browser.open(serve(tmp_path / "text.onnx"))
    browser.wait_for("return document.querySelector('#answer').textContent.startsWith('model.onnx cannot be opened: ')")
