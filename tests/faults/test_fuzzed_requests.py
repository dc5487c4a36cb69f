"""Command lines and config files drawn by hypothesis: exit code 0, or 2 with a reason; no traceback, nothing written.

pytest tests/faults/test_fuzzed_requests.py --hypothesis-profile=long
"""

import copy
import random
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

pytestmark = pytest.mark.timeout(7200)
MANY = settings.default.max_examples  # 100, and 4,000 with the profile long
fuzzed = settings(max_examples=3 * MANY // 2, suppress_health_check=list(HealthCheck))

GROUPS = ("model", "dataset", "optimizer", "scheduler", "trainer", "callbacks", "logger", "recipe", "random_search")
GROUPS += ("hydra/launcher", "hydra/sweeper", "hydra/job_logging", "experiment", "optimizer_recipe", "recipe_for")
NODES = (
    *GROUPS,
    "hydra",
    "hydra.run",
    "hydra.sweep",
    "hydra.job",
    "hydra.callbacks",
    "callbacks.x",
    "callbacks.console",
)
NODES += ("model.x", "logger.csv", "trainer.strategy", "stage_configs", "recipe.targets", "seed", "resume", "init_from")
LEAVES = ("name", "dir", "lr", "batch_size", "max_epochs", "monitor", "directory", "num_hidden", "_target_", "_args_")
LEAVES += ("_partial_", "scheduling", "path", "subdir", "chdir", "env_set", "env_copy", "config", "n_jobs", "0", "a b")
NAMES = ("logreg", "mlp", "lenet", "sda", "hmc", "digits", "mnist", "sgd", "adam", "cg", "step", "ddp", "csv", "wandb")
NAMES += ("joblib", "basic", "none", "nothing", "../model/mlp", "/etc/passwd", "pytorch_lightning.callbacks.Timer")
NAMES += ("torch.optim.Adam", "os.system", "dlpipe.training.callbacks.patience.GeometricPatience", "", "é")
NUMBERS = ("0", "-1", "3", "1e-3", "1e400", "nan", "-inf", "true", "null", "10000000000000000000000", "0x10", "1_0")
ODD = (
    "???",
    "${seed}",
    "${recipe.lr}",
    "${nope}",
    "${oc.env:NOPE}",
    "${hydra:runtime.cwd}",
    "${${seed}}",
    "${",
    "'",
    '"',
)
ODD += ("\\", "{", "[", "a=b", "a,b", "%s", "{0}", "\n", "\t", "!!python/none", "&a", "*a", "[" * 300, "#", "x" * 3000)
SWEEPS = ("1,2", "a,b", "glob(*)", "glob(*,exclude=m*)", "range(1,3)", "range(3)", "choice(a,b)", "interval(0,1)")
SWEEPS += ("shuffle(1,2)", "sort(2,1)", "tag(t,interval(1,2))", "choice()", "int(3.5)", "float(a)", "range(0,9,0)")
CONFIG_PLACES = ("model", "dataset", "optimizer", "scheduler", "trainer", "callbacks", "logger", "recipe", "format")
CONFIG_PLACES += ("seed", "output_dir", "resume", "init_from", "stage_configs", "a.b", "model.name", "dataset.name")
FLAGS = ("-m", "-c", "job", "hydra", "all", "--resolve", "-p", "-cd", ".", "-sc", "query=bash", "install=zsh", "--")
FLAGS += ("--hydra-help", "--version", "-h", "--multirun", "-cn", "uninstall=fish", "query=", "-x", "--cfg=job")
VERBS = ("check", "list", "show", "inspect", "doctor")


def joined(separator, *parts):
    return st.tuples(*parts).map(separator.join)


leaves = st.sampled_from((*NAMES, *NUMBERS, *ODD)) | st.text(max_size=8)
values = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda items: f"[{','.join(items)}]")
        | st.lists(joined(":", st.sampled_from(LEAVES), inner), max_size=3).map(
            lambda items: "{" + ",".join(items) + "}"
        )
    ),
    max_leaves=5,
)
keys = st.sampled_from(NODES) | joined(".", st.sampled_from(NODES), st.sampled_from(LEAVES)) | st.text(max_size=5)
signs = st.sampled_from(("", "", "", "+", "++", "~"))
choices = joined("=", st.sampled_from(GROUPS), st.sampled_from(NAMES))
overrides = joined("", signs, joined("=", keys, values | st.sampled_from(SWEEPS)))
words = choices | choices | overrides | overrides | st.sampled_from(FLAGS) | st.text(max_size=6)

trees = st.recursive(
    st.sampled_from((*NAMES, *ODD))
    | st.integers()
    | st.floats(allow_subnormal=False)
    | st.none()
    | st.booleans()
    | st.dates()
    | st.binary(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from((*LEAVES, *GROUPS, "defaults", "_self_", 0, None, 1.5, True)), inner, max_size=4
        )
    ),
    max_leaves=8,
)
defaults = st.lists(
    st.sampled_from(
        ("_self_", "digits", "nope", "override /dataset: mnist", {"override /optimizer": "adam"}, {"x": "y"})
    ),
    max_size=3,
).map(lambda items: {"defaults": items})
valid = st.just({"name": "fuzzed"})
documents = st.tuples(trees, defaults | st.just({}), valid | st.just({})).map(
    lambda parts: {**parts[0], **parts[1], **parts[2]} if isinstance(parts[0], dict) else parts[0]
)
files = documents.map(lambda tree: yaml.safe_dump(tree, allow_unicode=True).encode("utf-8", "surrogatepass"))


def is_clear(result):
    """Whether a command that trains nothing has ended as it should."""
    assert "Traceback" not in result.out + result.err, result.err
    assert "HYDRA_FULL_ERROR" not in result.out + result.err, result.err
    assert result.code in (0, 2), result.err
    assert result.code == 0 or len(result.err) > len("dlpipe: ") + 10, result.err
    assert result.written == [], result.written


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


@pytest.fixture
def write(install, tmp_path):
    """Write a config file of a plugin's model, or one in a folder of the user's own; return how to ask for it."""
    code = """
import pytorch_lightning as pl
class Fuzzed(pl.LightningModule):
    def __init__(self, num_hidden: int = 3):
        super().__init__()
"""
    site = install("dlpipe-fuzzed", {"fuzzed": "fuzzed:Fuzzed"}, {"fuzzed/__init__.py": code})
    own = tmp_path / "own"

    def put(group, content):
        folder = site / "fuzzed" / "conf" if group in ("model", "recipe") else own
        own.mkdir(exist_ok=True)
        (folder / group).mkdir(parents=True, exist_ok=True)
        (site / "fuzzed" / "conf" / "model").mkdir(parents=True, exist_ok=True)
        (site / "fuzzed" / "conf" / "model" / "fuzzed.yaml").write_text("name: fuzzed\n")
        (folder / group / "fuzzed.yaml").write_bytes(content)
        chosen = [] if group in ("model", "recipe") else [f"{group}=fuzzed"]
        return ["-cd", str(own), "model=fuzzed", *chosen]

    return put


@fuzzed
@example("trainer", b"[]\n")
@example("optimizer", b"lr: caf\xe9\n")
@example("model", b"name: caf\xe9\n")
@example("model", b"name: fuzzed\na: " + b"[" * 2000 + b"]" * 2000)
@example("callbacks", b"a: " + b"{a: " * 2000 + b"}" * 2000)
@example("callbacks", b"x:\n  _target_: pytorch_lightning.callbacks.Timer\n  duration: {0: 1}\n")
@example("recipe", b"lr: &a [*a]\n")
@example("recipe", b"\x00")
@given(
    st.sampled_from(("model", "recipe", "optimizer", "callbacks", "trainer", "logger", "hydra/launcher", "scheduler")),
    files | files | files | st.binary(max_size=40),
)
def test_a_config_file_is_refused_with_its_reasons_or_could_be_used(cli, write, group, content):
    is_clear(cli("check", *write(group, content)))


@pytest.fixture
def ask_of_run(cli, tmp_path):
    """Ask a verb of a finished run, which trains nothing, after its config has been changed."""
    run = cli("model=logreg", "recipe.max_epochs=1", "trainer.limit_train_batches=1", f"hydra.run.dir={tmp_path}/run")
    assert run.code == 0
    config = tmp_path / "run" / "config.yaml"
    tree = yaml.safe_load(config.read_text())

    def ask(verb, place, value, cut):
        *above, key = place.split(".")
        changed = copy.deepcopy(tree)
        parent = changed
        for name in above:
            parent = parent[name] if isinstance(parent.get(name), dict) else parent.setdefault(name, {})
        parent[key] = value
        content = yaml.safe_dump(changed, allow_unicode=True).encode("utf-8", "surrogatepass")
        config.write_bytes(content[:cut])
        before = sorted(tmp_path.rglob("*"))
        result = cli(verb, str(tmp_path / "run"))
        assert sorted(tmp_path.rglob("*")) == before
        return result

    return ask


@settings(fuzzed, max_examples=MANY)
@example("resume", "callbacks.x", {"_target_": "os.system", "command": "touch ran"}, None)
@example("test", "dataset.name", "mnist", None)
@example("resume", "seed", "${oc.env:HOME}", 900)
@given(
    st.sampled_from(("resume", "test")),
    st.sampled_from(CONFIG_PLACES) | joined(".", st.sampled_from(GROUPS), st.sampled_from(LEAVES)),
    trees,
    st.none() | st.none() | st.integers(0, 3000),
)
def test_a_runs_config_is_refused_with_its_reasons_or_could_be_used(ask_of_run, verb, place, value, cut):
    is_clear(ask_of_run(verb, place, value, cut))


@pytest.mark.parametrize("folder", ["/proc/foo", "/sys/foo", "/dev/null/foo"])
def test_a_run_that_has_no_place_is_refused(cli, folder):
    result = cli("model=logreg", f"hydra.run.dir={folder}")
    is_clear(result)
    assert result.code == 2
    assert f"hydra.run.dir={folder}: cannot be created" in result.err


def test_whole_processes_end_with_an_exit_code_and_its_reason(tmp_path):
    draw = random.Random(2027)
    pool = [*(f"{group}={name}" for group in GROUPS for name in NAMES if name and name.isascii()), *FLAGS]
    pool += [f"{node}.{leaf}={value}" for node in NODES for leaf in LEAVES for value in (*SWEEPS, *NUMBERS)]
    requests = [[draw.choice(("check", *VERBS)), *draw.sample(pool, draw.choice((1, 2)))] for _ in range(20)]

    def run(arguments):
        command = [sys.executable, "-m", "dlpipe", *arguments]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)

    with ThreadPoolExecutor(2) as threads:
        for arguments, done in zip(requests, threads.map(run, requests), strict=True):
            assert done.returncode in (0, 2), (arguments, done.stderr)
            assert "Traceback" not in done.stdout + done.stderr, (arguments, done.stderr)
            assert done.returncode == 0 or len(done.stderr) > 20, arguments
    assert list(tmp_path.iterdir()) == []
