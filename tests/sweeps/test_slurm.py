"""`launcher=slurm` with a stand-in for SLURM's commands: what it asks of SLURM, and a job whose time ends."""

import os
import signal
import subprocess
import sys
import time

import pytest

import dlpipe
from dlpipe.sweeps.record import read_events

LONG = ("recipe.max_epochs=200", "recipe.patience=null", "seed=1")
# runs the job, and again as often as it was put back into the queue
SBATCH = """#!/bin/bash
cp "${{!#}}" {folder}/submitted.sh
echo "Submitted batch job 7"
export SLURM_JOB_ID=7 SLURM_NTASKS=1 SLURM_PROCID=0 SLURM_LOCALID=0 SLURM_NODEID=0 SLURM_STEP_ID=0
export SLURM_JOB_NUM_NODES=1 SLURM_JOB_NODELIST=localhost
(
  while rm -f {folder}/requeued; bash {folder}/submitted.sh; [ -e {folder}/requeued ]; do :; done
) < /dev/null > {folder}/output.log 2>&1 &
"""
SRUN = '#!/bin/bash\nshift 5\nexec "$@"\n'  # after --unbuffered --output FILE --error FILE
SCONTROL = '#!/bin/bash\necho "$@" >> {folder}/scontrol.log\ntouch {folder}/requeued\n'
SACCT = "#!/bin/bash\necho 'JobID|State|NodeList'\n"


@pytest.fixture
def slurm(tmp_path):
    """The folder of its files, and the environment in which its commands are found."""
    folder = tmp_path / "slurm"
    folder.mkdir()
    for name, text in (("sbatch", SBATCH), ("srun", SRUN), ("scontrol", SCONTROL), ("sacct", SACCT)):
        text = text if name == "srun" else text.format(folder=folder)
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    return folder, os.environ | {"PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"}


@pytest.mark.slow
@pytest.mark.parametrize("trainer", ["default", "ddp"])
def test_a_job_whose_time_ends_is_requeued_and_has_the_weights_of_an_undisturbed_one(slurm, tmp_path, trainer):
    folder, environment = slurm
    words = (*LONG, f"trainer={trainer}")
    command = [sys.executable, "-m", "dlpipe", "-m", "launcher=slurm", *words, "hydra.sweep.dir=sweep"]
    process = subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    deadline = time.monotonic() + 120
    while not (tmp_path / "sweep" / "0-logreg" / "checkpoints" / "last.ckpt").exists():
        assert process.poll() is None, process.stderr.read().decode()
        assert time.monotonic() < deadline, (folder / "output.log").read_text()
        time.sleep(0.01)
    os.kill(read_events(tmp_path / "sweep")[-1]["pid"], signal.SIGUSR2)
    _, err = process.communicate(timeout=300)
    assert (process.returncode, err) == (0, b"")
    events = [event["event"] for event in read_events(tmp_path / "sweep") if event["job"] == "0-logreg"]
    assert events == ["planned", "started", "interrupted", "started", "finished"]
    assert (folder / "scontrol.log").read_text() == "requeue 7\n"
    dlpipe.run(*words, f"hydra.run.dir={tmp_path / 'alone'}")
    weights = [(tmp_path / run / "weights.safetensors").read_bytes() for run in ("sweep/0-logreg", "alone")]
    assert weights[0] == weights[1]
    check_request((folder / "submitted.sh").read_text(), cores=2 if trainer == "ddp" else 1)


def check_request(script, cores):
    """It is requeued, warned two minutes before its end, and gets a core for each process."""
    asked = {"--requeue", "--signal=USR2@120", f"--cpus-per-task={cores}", "--time=240"}
    assert asked <= {line.split()[-1] for line in script.splitlines() if line.startswith("#SBATCH")}
