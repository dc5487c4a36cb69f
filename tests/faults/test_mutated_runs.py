"""Run directories with a config or checkpoint that is damaged or malicious: told, or used as it is; nothing is run."""

import copy
import io
import itertools
import random
import shutil

import pytest
import torch
import yaml

pytestmark = pytest.mark.timeout(300)
RUN = ("model=mlp", "model.num_hidden=5", "recipe.max_epochs=2", "trainer.limit_train_batches=2", "trainer.max_steps=4")
VERBS = ("test", "resume", "predict", "resume", "figures", "reproduce")
MALICIOUS = (
    {"_target_": "os.mkdir", "path": "ran"},
    {"_target_": "os.system", "command": "touch ran"},
    {"_target_": "builtins.open", "file": "ran", "mode": "w"},
    {"_target_": "builtins.exec", "_args_": ["open('ran', 'w')"]},
    {"_target_": "subprocess.Popen", "args": ["touch", "ran"]},
    {"_target_": "logging.FileHandler", "filename": "ran"},
    {"_target_": "pathlib.Path.touch", "self": {"_target_": "pathlib.Path", "_args_": ["ran"]}},
)
VALUES = (None, True, 0, -1, 3, 1.5, "", "abc", "???", "${seed}", "${oc.env:HOME}", [], [1], {}, {"a": 1}, 10**30)
VALUES += (float("nan"), float("inf"), "1", "é\n", [[[]]], {"_target_": "torch.optim.SGD"}, {"_target_": "no.Such"})
VALUES += MALICIOUS
PIECES = ("\n", "  ", ": ", "- ", "*a", "&a ", "\t", "? ", "${oc.env:HOME}", "!!python/object/apply:os.mkdir ['ran']")
# where Hydra makes objects, and where a careless reader of a config could
PLACES = (
    *("trainer", "trainer.strategy", "trainer.profiler", "callbacks.x", "callbacks.console", "callbacks.console.x"),
    *("callbacks.checkpoints.monitor", "callbacks.checkpoints.directory", "logger.csv", "logger.x", "logger.csv.path"),
    *("optimizer", "optimizer.lr", "scheduler", "model", "model.num_hidden", "dataset", "dataset.seed", "recipe.lr"),
    *("stage_configs.x.trainer", "stage_configs.x.callbacks.y", "seed", "output_dir"),
)


@pytest.fixture(scope="module")
def whole(tmp_path_factory, run_dlpipe):
    """A short run; each test works on a copy."""
    folder = tmp_path_factory.mktemp("whole")
    run_dlpipe([*RUN, "hydra.run.dir=run"], cwd=folder, check=True)
    return folder / "run"


@pytest.fixture
def message(whole, tmp_path, cli, monkeypatch):
    """What a verb says of the run with other files, and its exit code; for `resume` the run has not ended."""
    run = tmp_path / "run"

    def ask(verb, files):
        shutil.rmtree(run, ignore_errors=True)
        shutil.copytree(whole, run)
        if verb == "resume":
            (run / "summary.json").unlink()
            (run / "checkpoints" / "last.ckpt").unlink()  # the one before is of an epoch earlier
        for name, content in files.items():
            (run / name).write_bytes(content)
        result = cli(verb, str(run))
        assert result.written == [], (verb, result.written)
        for again in tmp_path.glob("run-again-*") if verb == "reproduce" else ():
            shutil.rmtree(again)
        assert sorted(path.name for path in tmp_path.iterdir()) == ["run"], verb
        assert "Traceback" not in result.out + result.err, (verb, result.out, result.err)
        if result.code == 2:
            assert result.err.startswith(f"dlpipe: {run}"), (verb, result.err)
            assert len(result.err) > len(f"dlpipe: {run}") + 10, (verb, result.err)
        else:
            assert result.code == 0 or (result.code == 1 and len(result.out) > 10), (verb, result.out)
        return result.code, result.out + result.err

    return ask


def paths(node, above=()):
    """The place of every value in nested containers."""
    for key, value in node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ():
        yield (*above, key)
        yield from paths(value, (*above, key))


def value_at(node, path):
    for key in path:
        node = node[key]
    return node


def restructured(config, draw):
    """The config with keys removed, added, or with other values, malicious ones too."""
    changed = copy.deepcopy(config)
    for _ in range(draw.choice([1, 1, 2])):
        *above, key = draw.choice(list(paths(changed)))
        parent = value_at(changed, above)
        kind = draw.choice(["remove", "replace", "replace", "copy", "add"])
        if kind == "remove":
            del parent[key]
        elif kind == "replace":
            parent[key] = copy.deepcopy(draw.choice(VALUES))
        elif kind == "copy":
            parent[key] = copy.deepcopy(value_at(changed, draw.choice(list(paths(changed)))))
        elif isinstance(parent, list):
            parent.append(copy.deepcopy(draw.choice(VALUES)))
        else:
            parent[draw.choice(["x", "_target_", "_args_", "_partial_", 1, None])] = copy.deepcopy(draw.choice(VALUES))
    return yaml.safe_dump(changed).encode()


def rewritten(text, draw):
    """The text with a piece of YAML put in somewhere."""
    at = draw.randrange(len(text) + 1)
    return (text[:at] + draw.choice(PIECES) + text[at:]).encode()


@pytest.mark.parametrize("numbers", [range(60), pytest.param(range(60, 200), marks=pytest.mark.slow)], ids=str)
def test_a_mutated_config_is_refused_with_a_clear_error_or_used(numbers, whole, message, mutated):
    content = (whole / "config.yaml").read_bytes()
    text, config = content.decode(), yaml.safe_load(content)
    codes = []
    for number, verb in zip(numbers, itertools.cycle(VERBS), strict=False):
        draw = random.Random(number)
        forms = (restructured(config, draw), rewritten(text, draw), restructured(config, draw), mutated(content, draw))
        codes.append(message(verb, {"config.yaml": forms[number % 4]})[0])
    assert codes.count(2) > len(numbers) / 2
    assert codes.count(0) > len(numbers) / 10


def test_a_checkpoint_with_other_values_is_told_or_gone_on_with(whole, message, cli):
    checkpoint = torch.load(whole / "checkpoints" / "previous.ckpt", weights_only=True)
    places = [path for path in paths(checkpoint) if isinstance(value_at(checkpoint, path[:-1]), (dict, list))]
    codes = []
    for number in range(12):
        draw, changed, saved = random.Random(number), copy.deepcopy(checkpoint), io.BytesIO()
        *above, key = draw.choice(places)
        value_at(changed, above)[key] = copy.deepcopy(draw.choice(VALUES))
        torch.save(changed, saved)
        codes.append(message("resume", {"checkpoints/previous.ckpt": saved.getvalue()})[0])
    assert set(codes) == {0, 1}


@pytest.mark.parametrize("place", PLACES)
def test_nothing_that_a_config_names_is_called_but_what_its_place_takes(place, whole, message):
    config = yaml.safe_load((whole / "config.yaml").read_bytes())
    *above, key = place.split(".")
    parent = config
    for name in above:
        parent = parent.setdefault(name, {})
    for verb, value in zip(("resume", "test"), random.Random(place).sample(MALICIOUS, 2), strict=True):
        parent[key] = value
        code, said = message(verb, {"config.yaml": yaml.safe_dump(config).encode()})
        assert code == 2 or verb == "test", said  # which makes nothing but the model and the dataset
