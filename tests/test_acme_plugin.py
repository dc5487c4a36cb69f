"""A third party's plugin from its wheel, beside dlpipe's, in an environment of their own."""

import json
import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PLUGIN = ROOT / "tests" / "acme_plugin"
# neither a build environment nor an index: the suite needs no network
OFFLINE = ("--no-index", "--no-deps", "--quiet", "--disable-pip-version-check")


class Environment:
    """A virtual environment that imports torch and the other libraries from the one that runs the tests."""

    def __init__(self, folder: Path) -> None:
        venv.create(folder / "venv", with_pip=False)
        self.folder = folder
        self.python = folder / "venv" / ("Scripts" if os.name == "nt" else "bin") / "python"
        self.site = Path(self.run("-c", "import sysconfig; print(sysconfig.get_path('purelib'))").stdout.strip())
        # a path in a .pth file comes after this environment's own packages, and its own .pth files, which
        # would bring in the checkout, are not read
        libraries = [path for path in sys.path if path.endswith(("site-packages", "dist-packages"))]
        (self.site / "libraries.pth").write_text("\n".join(libraries))

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run this environment's Python from an empty folder, with a cache of its own."""
        work = self.folder / "work"
        work.mkdir(exist_ok=True)
        unwanted = ("PYTHONPATH", "DLPIPE_PLUGINS", "DLPIPE_DATA")
        variables = {name: value for name, value in os.environ.items() if name not in unwanted}
        variables |= {"XDG_CACHE_HOME": str(self.folder / "cache"), "OMP_NUM_THREADS": "1"}
        return subprocess.run(
            [str(self.python), *arguments], cwd=work, env=variables, capture_output=True, text=True, check=False
        )


def pip(*arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "pip", *arguments, *OFFLINE], check=True)


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """dlpipe and dlpipe-acme, each built as a wheel and installed."""
    folder = tmp_path_factory.mktemp("acme")
    pip("wheel", "--no-build-isolation", "--wheel-dir", str(folder), str(ROOT), str(PLUGIN))
    wheels = sorted(str(path) for path in folder.glob("*.whl"))
    assert [Path(wheel).name.partition("-")[0] for wheel in wheels] == ["dlpipe", "dlpipe_acme"]
    environment = Environment(folder)
    pip("install", "--target", str(environment.site), *wheels)
    return environment


@pytest.fixture(scope="module")
def training(environment: Environment) -> subprocess.CompletedProcess[str]:
    return environment.run("-m", "dlpipe", "model=softmax", "recipe.max_epochs=1")


def test_wheel_of_dlpipe_is_what_is_imported(environment):
    printed = environment.run("-c", "import dlpipe; print(dlpipe.__file__)").stdout
    assert Path(printed.strip()) == environment.site / "dlpipe" / "__init__.py"


def test_wheel_of_dlpipe_brings_the_config_tree(environment):
    printed = environment.run("-c", "import dlpipe.plugins.registry; print(dlpipe.plugins.registry.conf_dir())").stdout
    assert Path(printed.strip()) == environment.site / "dlpipe" / "conf"
    assert (environment.site / "dlpipe" / "conf" / "config.yaml").is_file()


def test_list_shows_the_plugin(environment):
    result = environment.run("-m", "dlpipe", "list")
    assert result.returncode == 0, result.stderr
    assert ["dlpipe-acme", "0.1.0", "ok"] in [line.split() for line in result.stdout.splitlines()]


def test_plugin_trains_by_name(environment, training):
    assert training.returncode == 0, training.stderr
    (path,) = (environment.folder / "work" / "outputs").rglob("summary.json")
    summary = json.loads(path.read_text())
    assert (summary["model"], summary["status"], summary["epochs"]) == ("softmax", "finished", 1)
    assert summary["evaluated"] == {"val": 359, "test": 360}
    assert summary["test"]["test/error"] < 0.5
