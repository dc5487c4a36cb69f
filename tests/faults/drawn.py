"""What hypothesis draws: words of command lines, and config files; and how a command with them should end."""

import yaml
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

MANY = settings.default.max_examples  # 25, and 4,000 with the profile long
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
