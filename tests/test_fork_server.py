"""A forked command line is to a test as a process of its own."""

import os
import signal
import subprocess
import sys
import time

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="a fork is made on Linux alone")
LONG = ["model=logreg", "recipe.max_epochs=100000", "recipe.patience=null", "hydra.run.dir=run"]


def run_anew(words, **options):
    """In a process that imports everything itself."""
    return subprocess.run([sys.executable, "-m", "dlpipe", *words], **options)


@pytest.mark.parametrize("words", [["--version"], ["runs"], ["model=nothing"], ["test", "nowhere"]])
def test_code_and_output_are_those_of_a_new_process(words, run_dlpipe, tmp_path):
    options = {"cwd": tmp_path, "capture_output": True, "text": True}
    forked, new = run_dlpipe(words, **options), run_anew(words, **options)
    assert (forked.returncode, forked.stdout, forked.stderr) == (new.returncode, new.stdout, new.stderr)
    assert list(tmp_path.iterdir()) == []


def test_a_run_has_the_files_and_the_bits_of_a_new_process(run_dlpipe, tmp_path):
    run = ["model=logreg", "recipe.max_epochs=1"]
    run_dlpipe([*run, "hydra.run.dir=forked"], cwd=tmp_path, check=True, stdout=subprocess.DEVNULL)
    run_anew([*run, "hydra.run.dir=new"], cwd=tmp_path, check=True, stdout=subprocess.DEVNULL)
    forked, new = tmp_path / "forked", tmp_path / "new"
    assert sorted(path.name for path in forked.iterdir()) == sorted(path.name for path in new.iterdir())
    for name in ("weights.safetensors", "metrics.csv"):
        assert (forked / name).read_bytes() == (new / name).read_bytes()


def test_the_environment_is_the_one_of_the_call(run_dlpipe, install, tmp_path):
    verb = "import os, sys\ndef show(arguments): print(os.environ, sys.argv, os.getppid()); return 7\n"
    install("dlpipe-verb", {"shown": "acme_shown:show"}, {"acme_shown.py": verb}, kind="verbs")
    done = run_dlpipe(["shown"], env=os.environ | {"SET_BY_TEST": "yes"}, capture_output=True, text=True, cwd=tmp_path)
    assert "'SET_BY_TEST': 'yes'" in done.stdout, done.stderr
    assert "SET_BY_TEST" not in run_dlpipe(["shown"], capture_output=True, text=True).stdout
    assert done.returncode == 7


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_signal_ends_it_as_a_new_process(number, dlpipe_process, tmp_path):
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    with dlpipe_process(LONG, cwd=tmp_path, start_new_session=True, **streams) as process:
        while not (tmp_path / "run" / "metrics.csv").exists():
            assert process.poll() is None, process.stdout.read()
            time.sleep(0.01)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(timeout=0.01)
        assert os.getpgid(process.pid) == process.pid
        process.send_signal(number)
        output = process.communicate(timeout=60)[0]
    assert process.returncode == (-number if number == signal.SIGKILL else 128 + number)
    assert ("to resume from the last checkpoint" in output) == (number != signal.SIGKILL)
    assert not os.path.exists(f"/proc/{process.pid}")
