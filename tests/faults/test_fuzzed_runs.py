"""Configs of finished runs, changed by hypothesis: exit code 0, or 2 with a reason; no traceback, nothing written."""

import copy

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from .drawn import CONFIG_PLACES, GROUPS, LEAVES, MANY, fuzzed, is_clear, joined, trees

pytestmark = pytest.mark.timeout(7200)


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
