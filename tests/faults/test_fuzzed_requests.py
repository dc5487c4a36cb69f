"""Command lines drawn by hypothesis: exit code 0, or 2 with a reason; no traceback, nothing written.

pytest tests/faults -k fuzzed --hypothesis-profile=long
"""

import random
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from .drawn import FLAGS, GROUPS, LEAVES, MANY, NAMES, NODES, NUMBERS, SWEEPS, VERBS, fuzzed, is_clear, words

pytestmark = pytest.mark.timeout(7200)


@fuzzed
@example(["-m", "model=logreg", "hydra.sweep.dir=glob(*)"])
@example(["model=logreg", "+callbacks.x.scheduling={0:2}"])
@given(st.lists(words, min_size=1, max_size=4))
def test_a_request_is_refused_with_its_reasons_or_could_be_run(cli, arguments):
    is_clear(cli("check", *arguments))


@settings(fuzzed, max_examples=MANY // 2)
@example(["-sc", "query=bash"])
@example(["-sc", "nothing"])
@example(["-sc", "install=csh"])
@given(st.lists(st.sampled_from(FLAGS) | words, max_size=3))
def test_flags_that_print_something_print_it_or_are_refused(cli, arguments):
    printing = ["-c", "job", *arguments]
    is_clear(cli(*(arguments if "-sc" in arguments[:1] else printing)))


@settings(fuzzed, max_examples=MANY // 2)
@given(st.sampled_from(VERBS), st.lists(words, max_size=2))
def test_a_verb_that_prints_something_prints_it_or_is_refused(cli, verb, arguments):
    is_clear(cli(verb, *arguments))


@pytest.mark.parametrize("folder", ["/proc/foo", "/sys/foo", "/dev/null/foo"])
def test_a_run_that_has_no_place_is_refused(cli, folder):
    result = cli("model=logreg", f"hydra.run.dir={folder}")
    is_clear(result)
    assert result.code == 2
    assert f"hydra.run.dir={folder}: cannot be created" in result.err


def test_whole_processes_end_with_an_exit_code_and_its_reason(tmp_path, run_dlpipe):
    draw = random.Random(2027)
    pool = [*(f"{group}={name}" for group in GROUPS for name in NAMES if name and name.isascii()), *FLAGS]
    pool += [f"{node}.{leaf}={value}" for node in NODES for leaf in LEAVES for value in (*SWEEPS, *NUMBERS)]
    requests = [[draw.choice(("check", *VERBS)), *draw.sample(pool, draw.choice((1, 2)))] for _ in range(20)]

    def run(arguments):
        return run_dlpipe(arguments, cwd=tmp_path, capture_output=True, text=True)

    with ThreadPoolExecutor(2) as threads:
        for arguments, done in zip(requests, threads.map(run, requests), strict=True):
            assert done.returncode in (0, 2), (arguments, done.stderr)
            assert "Traceback" not in done.stdout + done.stderr, (arguments, done.stderr)
            assert done.returncode == 0 or len(done.stderr) > 20, arguments
    assert list(tmp_path.iterdir()) == []
