"""Freed memory is kept, denormals are zero; in a process of its own, as both last."""

import json
import platform
import subprocess
import sys

import pytest

PROGRAM = """
import ctypes, json, resource, sys, torch
from dlpipe.training.speed.memory import tune_memory
torch.set_num_threads(1)
ctypes.CDLL(None).prctl(41, 1, 0, 0, 0)  # PR_SET_THP_DISABLE: a huge page is one fault
if sys.argv[1] == "tuned":
    tune_memory()
else:  # as glibc begins; what it learns from the first blocks depends on what lies above them
    ctypes.CDLL(None).mallopt(-3, 128 * 2**10)
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
def step():
    # 192 MiB: 49,152 pages, and more than glibc ever keeps by itself
    return [torch.ones(6 * 2**20) for _ in range(8)][0]
for _ in range(3):
    step()
before = faults()
for _ in range(5):
    step()
tiny = torch.tensor([1e-30]) * torch.tensor([1e-15])
print(json.dumps([faults() - before, float(tiny)]))
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="mallopt is glibc's")
def test_a_minibatch_takes_the_memory_of_the_last():
    (faults, tiny), (tuned_faults, tuned_tiny) = (
        json.loads(subprocess.run([sys.executable, "-c", PROGRAM, how], capture_output=True, check=True).stdout)
        for how in ("plain", "tuned")
    )
    assert tuned_faults < 1000 < faults
    assert 0 < tiny < 1e-44
    assert tuned_tiny == 0
