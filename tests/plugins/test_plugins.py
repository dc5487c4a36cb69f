"""The plugin contract, with plugins made for one test."""

import json
import os
import re
import sys
from importlib.machinery import EXTENSION_SUFFIXES

import pytest
import torch
import yaml

from dlpipe import load
from dlpipe.plugins import health

LINEAR = '''
import torch.nn.functional as F
from pytorch_lightning import LightningModule
from torch import nn

class Linear(LightningModule):
    """A linear classifier."""

    def __init__(self, num_features: int = 784, num_classes: int = 10) -> None:
        super().__init__()
        self.linear = nn.Linear(num_features, num_classes)

    def training_step(self, batch, batch_idx):
        return F.cross_entropy(self.linear(batch[0]), batch[1])

    def validation_step(self, batch, batch_idx):
        self.log("val/loss", F.cross_entropy(self.linear(batch[0]), batch[1]), batch_size=len(batch[1]))

    def test_step(self, batch, batch_idx):
        self.log("test/loss", F.cross_entropy(self.linear(batch[0]), batch[1]), batch_size=len(batch[1]))
'''
LINEAR_YAML = "name: softmax\nnum_features: ${dataset.num_features}\nnum_classes: ${dataset.num_classes}\n"

# a module as one finds them anywhere: no YAML, shapes and metrics of its own
FOREIGN = """
import torch
from pytorch_lightning import LightningModule

class Net(LightningModule):
    def __init__(self, hidden: int = 8, activation: str = "relu"):
        super().__init__()
        self.save_hyperparameters()
        self.layers = torch.nn.Sequential(
            torch.nn.Flatten(), torch.nn.Linear(784, hidden), torch.nn.ReLU(), torch.nn.Linear(hidden, 10))

    def training_step(self, batch, batch_idx):
        loss = torch.nn.functional.cross_entropy(self.layers(batch[0]), batch[1])
        self.log("train_loss", loss)
        return loss
"""
OWN_OPTIMIZER = """
    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.125)
"""
TEST_STEP = """
    def test_step(self, batch, batch_idx):
        self.log("test/bias", self.layers[3].bias.sum())
"""
# 40 examples of 784 features; the labels say which dataset it was
DATA = """
import torch
from torch.utils.data import DataLoader, TensorDataset
from pytorch_lightning import LightningDataModule

class Data(LightningDataModule):
    def __init__(self, num_examples: int = 40):
        super().__init__()
        self.examples = TensorDataset(torch.ones(num_examples, 784), torch.full((num_examples,), LABEL))

    def train_dataloader(self):
        return DataLoader(self.examples, batch_size=20)
"""
BROKEN = 'raise RuntimeError("libacme.so is missing")\n'
# two updates: these tests are about plugins, not about learning
SHORT = ("recipe.max_epochs=1", "trainer.limit_train_batches=2")

pytestmark = pytest.mark.filterwarnings("ignore:.*does not have many workers")


def install_softmax(install, owner: str, **recipes: str) -> None:
    """``dlpipe-<owner>`` with a model ``softmax``, its YAML and the recipes that are given."""
    package = f"{owner}_pkg"
    conf = {"model/softmax.yaml": LINEAR_YAML, **recipes}
    files = {f"{package}/conf/{name}": text for name, text in conf.items()}
    install(f"dlpipe-{owner}", {"softmax": f"{package}:Linear"}, {f"{package}/__init__.py": LINEAR, **files})


def install_foreign(install, source: str = FOREIGN) -> None:
    install("dlpipe-foreign", {"foreign": "foreign_pkg:Net"}, {"foreign_pkg.py": source})


def install_data(install, owner: str, label: int) -> None:
    source = DATA.replace("LABEL", str(label))
    install(f"dlpipe-{owner}", {"flat": f"{owner}_data:Data"}, {f"{owner}_data.py": source}, kind="datasets")


def config_of(result) -> dict:
    return yaml.safe_load((result.run_dir / "config.yaml").read_text())


def summary_of(result) -> dict:
    return json.loads((result.run_dir / "summary.json").read_text())


# a broken plugin


def test_broken_plugin_costs_only_itself(cli, install):
    install("dlpipe-acme", {"softmax": "acme:Softmax"}, {"acme.py": BROKEN})
    assert cli("list").code == 0
    assert cli("--cfg", "job", "model=logreg").code == 0


def test_broken_plugin_is_told_in_full_when_named(cli, install):
    install("dlpipe-acme", {"softmax": "acme:Softmax"}, {"acme.py": BROKEN})
    result = cli("model=softmax")
    assert result.code == 2
    assert "cannot be imported: RuntimeError: libacme.so is missing" in result.err
    assert "Traceback (most recent call last)" in result.err
    assert 'acme.py", line 1' in result.err
    assert "Fix or uninstall dlpipe-acme" in result.err
    assert result.written == []


def test_list_shows_a_plugin_as_broken_once_its_import_has_failed(cli, install):
    install("dlpipe-acme", {"softmax": "acme:Softmax"}, {"acme.py": BROKEN})
    cli("model=softmax")
    result = cli("list")
    assert result.code == 0
    assert "softmax: broken: RuntimeError: libacme.so is missing" in result.out


def test_mended_plugin_is_no_longer_shown_as_broken(cli, install):
    site = install("dlpipe-acme", {"softmax": "acme:Linear"}, {"acme.py": BROKEN})
    cli("model=softmax")
    (site / "acme.py").write_text(LINEAR + "\n")
    assert cli("model=softmax", *SHORT).code == 0
    assert "broken" not in cli("list").out


def test_a_reader_never_sees_half_of_the_failed_imports(cli, install, monkeypatch):
    install("dlpipe-acme", {"softmax": "acme:Softmax"}, {"acme.py": BROKEN})
    before = '{"another plugin": "its failure"}'
    health.record_file().parent.mkdir(parents=True)
    health.record_file().write_text(before)

    def fsync(descriptor):
        assert health.record_file().read_text() == before
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fsync)
    cli("model=softmax")
    assert health.record_file().read_text() == before
    assert [path.name for path in health.record_file().parent.iterdir()] == ["failed_imports.json"]


@pytest.mark.parametrize("content", ["", "{", "3", "null", "[1]"])
def test_damaged_failed_imports_are_forgotten(content, cli, install):
    install("dlpipe-acme", {"softmax": "acme:Softmax"}, {"acme.py": BROKEN})
    health.record_file().parent.mkdir(parents=True)
    health.record_file().write_text(content)
    assert cli("model=softmax").code == 2
    assert "softmax: broken: RuntimeError: libacme.so is missing" in cli("list").out


@pytest.mark.parametrize("name", ["SystemExit", "GeneratorExit"])
def test_plugin_that_raises_no_ordinary_exception_is_refused_too(name, cli, install):
    install("dlpipe-acme", {"softmax": "acme:Softmax"}, {"acme.py": f"raise {name}(3)\n"})
    result = cli("model=softmax")
    assert (result.code, result.written) == (2, [])
    assert f"cannot be imported: {name}: 3" in result.err


@pytest.mark.parametrize("backport", [False, True])
def test_leftovers_of_an_uninstalled_plugin_cost_nothing(backport, cli, install, monkeypatch):
    if backport:  # as once another package has imported it
        from importlib_metadata import MetadataPathFinder

        monkeypatch.setattr(sys, "meta_path", [MetadataPathFinder(), *sys.meta_path])
    site = install("dlpipe-acme", {"softmax": "acme:Linear"}, {"acme.py": LINEAR})
    (site / "dlpipe_acme-1.0.dist-info" / "METADATA").unlink()
    assert cli("list").code == 0
    result = cli("model=softmax")
    assert (result.code, result.written) == (2, [])
    assert "no model 'softmax'" in result.err


@pytest.mark.parametrize(
    ("files", "shown"),
    [
        ({"acme/model.py": b"# -*- coding: latin-1 -*-\n# \xe9\n" + LINEAR.encode()}, "A linear classifier."),
        ({"acme/model.py": b"name = '\xe9'\n"}, "broken: model.py, line "),
        (
            {"acme/model.py": b"from acme.other import Linear\n", "acme/other.py": b"from acme.model import Linear\n"},
            "",
        ),
        ({f"acme/model{EXTENSION_SUFFIXES[0]}": b"\x7fELF"}, ""),
    ],
    ids=["latin-1", "not its encoding", "circular import", "compiled"],
)
def test_list_survives_every_kind_of_source(files, shown, cli, install):
    site = install("dlpipe-acme", {"softmax": "acme.model:Linear"}, {"acme/__init__.py": ""})
    for name, content in files.items():
        (site / name).write_bytes(content)
    result = cli("list")
    assert result.code == 0
    (row,) = re.findall(r"^  softmax +dlpipe-acme *(.*)$", result.out, re.MULTILINE)
    assert row.startswith(shown)
    assert bool(shown) == bool(row)


@pytest.mark.parametrize(
    ("value", "seen", "message"),
    [
        ("nowhere:Model", "broken: no module nowhere", "ModuleNotFoundError: No module named 'nowhere'"),
        ("acme.sub:Model", "broken: no module acme.sub", "ModuleNotFoundError: No module named 'acme.sub'"),
        ("acme.torn:Model", "broken: torn.py, line 1: ", "SyntaxError: "),
        ("acme:Absent", "", "AttributeError: module 'acme' has no attribute 'Absent'"),
    ],
    ids=["no package", "no module", "no Python", "no class"],
)
def test_entry_point_that_leads_nowhere_is_told(value, seen, message, cli, install):
    install("dlpipe-acme", {"softmax": value}, {"acme/__init__.py": LINEAR, "acme/torn.py": "class Model(\n"})
    assert seen in cli("list").out
    result = cli("model=softmax")
    assert (result.code, result.written) == (2, [])
    assert f"cannot be imported: {message}" in result.err


@pytest.mark.parametrize("value", ["acme:make", "acme:Data"], ids=["function", "dataset"])
def test_model_that_is_no_lightning_module_is_refused(value, cli, install):
    source = "from pytorch_lightning import LightningDataModule as Data\ndef make(): ...\n"
    install("dlpipe-acme", {"softmax": value}, {"acme.py": source})
    result = cli("model=softmax")
    assert (result.code, result.written) == (2, [])
    assert "not a subclass of pytorch_lightning.LightningModule" in result.err
    assert "not a subclass of pytorch_lightning.LightningModule" in cli("list").out


def test_dataset_that_is_no_data_module_is_refused(cli, install):
    install("dlpipe-acme", {"flat": "acme:Linear"}, {"acme.py": LINEAR}, kind="datasets")
    result = cli("dataset=flat", "model.num_features=1", "model.num_classes=1", "model.image_shape=[1,1,1]")
    assert (result.code, result.written) == (2, [])
    assert "not a subclass of pytorch_lightning.LightningDataModule" in result.err


def test_module_of_the_other_lightning_package_is_told_so(cli, install):
    files = {
        "lightning/__init__.py": "",
        "lightning/pytorch.py": "class LightningModule: ...\n",
        "acme.py": "from lightning.pytorch import LightningModule\nclass Model(LightningModule): ...\n",
    }
    install("dlpipe-acme", {"softmax": "acme:Model"}, files)
    result = cli("model=softmax")
    assert (result.code, result.written) == (2, [])
    assert "is built on `lightning.pytorch`, dlpipe on `pytorch_lightning`" in result.err


def test_module_without_training_step_is_refused(cli, install):
    source = "from pytorch_lightning import LightningModule\nclass Model(LightningModule): ...\n"
    install("dlpipe-acme", {"softmax": "acme:Model"}, {"acme.py": source})
    result = cli("model=softmax")
    assert (result.code, result.written) == (2, [])
    assert "model 'softmax' (Model) has no training_step" in result.err


# two plugins that register one name


def test_name_of_two_plugins_is_an_error_that_names_both(cli, install):
    install_softmax(install, "acme")
    install_softmax(install, "other")
    result = cli("model=softmax")
    assert (result.code, result.written) == (2, [])
    assert "model 'softmax' is registered by dlpipe-acme, dlpipe-other" in result.err
    assert "say which: model=acme/softmax or model=other/softmax" in result.err


def test_name_of_two_plugins_costs_nothing_until_it_is_used(cli, install):
    install_softmax(install, "acme")
    install_softmax(install, "other")
    assert cli("--cfg", "job", "model=logreg").code == 0


def test_list_shows_qualified_names_where_two_plugins_share_one(cli, install):
    install_softmax(install, "acme")
    install_softmax(install, "other")
    out = cli("list").out
    assert "acme/softmax" in out
    assert "other/softmax" in out


def install_two_softmax(install) -> None:
    """Of ``acme``, with the learning rate 0.5, and of ``other``, with 0.25 and minibatches of 25 on digits."""
    for owner, lr in (("acme", 0.5), ("other", 0.25)):
        recipe, overlay = f"lr: {lr}\nbatch_size: 30\n", f"batch_size: {int(100 * lr)}\n"
        install_softmax(install, owner, **{"recipe/softmax.yaml": recipe, "recipe_for/softmax/digits.yaml": overlay})


def test_qualified_name_trains_the_model_with_its_recipe(cli, install):
    install_two_softmax(install)
    result = cli("model=other/softmax", *SHORT)
    assert result.code == 0, result.err
    recipe = config_of(result)["recipe"]
    assert (recipe["lr"], recipe["batch_size"]) == (0.25, 25)
    assert summary_of(result)["model"] == "other/softmax"
    assert "-other-softmax-" in result.run_dir.name
    assert type(load(result.run_dir)).__module__ == "other_pkg"


def test_full_distribution_qualifies_a_name_too(cli, install):
    install_two_softmax(install)
    result = cli("model=dlpipe-other/softmax", *SHORT)
    assert result.code == 0, result.err
    assert summary_of(result)["model"] == "dlpipe-other/softmax"
    assert config_of(result)["recipe"]["batch_size"] == 25


def test_qualified_model_keeps_the_dataset_that_its_yaml_chooses(cli, install):
    chooses = "defaults:\n  - override /dataset@_global_.dataset: mnist\n\nname: softmax\n"
    for owner, lr in (("acme", 0.5), ("other", 0.25)):
        files = {"model/softmax.yaml": chooses, "recipe_for/softmax/mnist.yaml": f"lr: {lr}\n"}
        install_softmax(install, owner, **files)
    result = cli("--cfg", "job", "model=other/softmax")
    assert result.code == 0, result.err
    config = yaml.safe_load(result.out)
    assert (config["dataset"]["name"], config["recipe"]["lr"]) == ("mnist", 0.25)


def test_qualified_name_picks_the_dataset(cli, install):
    install_data(install, "acme", label=1)
    install_data(install, "other", label=2)
    install_foreign(install)
    refused = cli("model=foreign", "dataset=flat")
    assert refused.code == 2
    assert "dataset 'flat' is registered by dlpipe-acme, dlpipe-other" in refused.err
    result = cli("model=foreign", "dataset=other/flat", *SHORT)
    assert result.code == 0, result.err
    assert summary_of(result)["dataset"] == "other/flat"
    assert "other_data" in sys.modules
    assert "acme_data" not in sys.modules


def test_qualified_names_can_be_swept(cli, install):
    install_softmax(install, "acme")
    install_softmax(install, "other")
    result = cli("-m", "model=acme/softmax,other/softmax", *SHORT)
    assert result.code == 0, result.err
    assert [path.name for path in result.run_dirs] == ["0-acme-softmax", "1-other-softmax"]


def test_yaml_of_one_name_in_two_plugins_is_refused(cli, install):
    install_softmax(install, "acme", **{"recipe/softmax.yaml": "lr: 0.5\n"})
    install(
        "dlpipe-other", {"net": "other:Net"}, {"other/__init__.py": "", "other/conf/recipe/softmax.yaml": "lr: 1\n"}
    )
    result = cli("model=softmax")
    assert (result.code, result.written) == (2, [])
    assert "recipe/softmax.yaml: shipped by dlpipe-acme, dlpipe-other; only one of them may ship it" in result.err


def test_yaml_that_the_core_has_already_is_refused(cli, install):
    install("dlpipe-other", {"net": "other:Net"}, {"other/__init__.py": "", "other/conf/optimizer/sgd.yaml": "lr: 1\n"})
    result = cli("model=logreg")
    assert (result.code, result.written) == (2, [])
    assert "optimizer/sgd.yaml: shipped by dlpipe, dlpipe-other" in result.err


# DLPIPE_PLUGINS


@pytest.mark.parametrize("variable", ["-acme", "-dlpipe-acme", "supervised", "acme,-acme"])
def test_denied_model_is_refused_with_the_reason(variable, cli, install, monkeypatch):
    install_softmax(install, "acme")
    monkeypatch.setenv("DLPIPE_PLUGINS", variable)
    result = cli("model=softmax")
    assert (result.code, result.written) == (2, [])
    assert f"from dlpipe-acme 1.0) is denied by DLPIPE_PLUGINS={variable}" in result.err


def test_list_shows_what_is_denied(cli, install, monkeypatch):
    install_softmax(install, "acme")
    monkeypatch.setenv("DLPIPE_PLUGINS", "-acme")
    out = cli("list").out
    assert re.search(r"^  dlpipe-acme +1\.0 +denied by DLPIPE_PLUGINS$", out, re.MULTILINE)
    assert not re.search(r"^  softmax ", out, re.MULTILINE)


def test_denying_one_of_two_owners_settles_a_shared_name(cli, install, monkeypatch):
    install_softmax(install, "acme", **{"recipe/softmax.yaml": "lr: 0.5\n"})
    install_softmax(install, "other", **{"recipe/softmax.yaml": "lr: 0.25\n"})
    monkeypatch.setenv("DLPIPE_PLUGINS", "-acme")
    result = cli("--cfg", "job", "model=softmax")
    assert yaml.safe_load(result.out)["recipe"]["lr"] == 0.25


def test_allowed_model_runs_though_the_default_model_is_denied(cli, install, monkeypatch):
    install_softmax(install, "acme")
    monkeypatch.setenv("DLPIPE_PLUGINS", "acme")
    assert cli("model=softmax", *SHORT).code == 0


def test_denied_default_model_is_told(cli, monkeypatch):
    monkeypatch.setenv("DLPIPE_PLUGINS", "-supervised")
    result = cli("seed=1")
    assert (result.code, result.written) == (2, [])
    assert "model 'logreg'" in result.err
    assert "is denied by DLPIPE_PLUGINS=-supervised" in result.err


# a LightningModule that knows nothing of dlpipe


def test_model_without_yaml_trains_with_options_of_its_constructor(cli, install):
    install_foreign(install)
    result = cli("model=foreign", "model.hidden=3", *SHORT)
    assert result.code == 0, result.err
    assert config_of(result)["model"] == {"name": "foreign", "hidden": 3}
    assert load(result.run_dir).layers[1].weight.shape == (3, 784)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("model.hiden=3", "model.hiden=3: no such argument; did you mean 'hidden'? Net takes hidden, activation"),
        ("model.hidden=many", "model.hidden=many: must be a valid integer"),
    ],
)
def test_wrong_option_of_a_model_without_yaml_is_refused(override, message, cli, install):
    install_foreign(install)
    result = cli("model=foreign", override)
    assert (result.code, result.written) == (2, [])
    assert message in result.err


def test_required_option_of_a_model_without_yaml_is_asked_for(cli, install):
    install_foreign(install, FOREIGN.replace("hidden: int = 8, ", "hidden: int, "))
    result = cli("model=foreign")
    assert (result.code, result.written) == (2, [])
    assert "model.hidden: has no default in Net; set model.hidden=..." in result.err


def test_show_reads_options_from_the_constructor(cli, install):
    install_foreign(install)
    result = cli("show", "foreign")
    assert result.code == 0
    assert "model.hidden=8  whole number" in result.out
    assert "foreign_pkg" not in sys.modules


def test_sweep_over_models_with_and_without_yaml_runs(cli, install):
    install_foreign(install)
    result = cli("-m", "model=foreign,logreg", *SHORT)
    assert result.code == 0, result.err
    assert [path.name for path in result.run_dirs] == ["0-foreign", "1-logreg"]


def test_sweep_over_an_option_of_a_model_without_yaml_runs(cli, install):
    install_foreign(install)
    result = cli("-m", "model=foreign", "model.hidden=3,4", *SHORT)
    assert result.code == 0, result.err
    assert [load(path).layers[1].out_features for path in result.run_dirs] == [3, 4]


def test_module_without_validation_is_tested_with_its_last_weights(cli, install):
    install_foreign(install, FOREIGN + TEST_STEP)
    result = cli("model=foreign", *SHORT)
    assert result.code == 0, result.err
    last = torch.load(result.run_dir / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
    summary = summary_of(result)
    assert summary["best"] is None
    assert summary["test"] == {"test/bias": pytest.approx(float(last["layers.3.bias"].sum()))}


def test_module_keeps_the_optimizer_it_configures_itself(cli, install):
    install_foreign(install, FOREIGN + OWN_OPTIMIZER)
    result = cli("model=foreign", *SHORT)
    assert result.code == 0, result.err
    (state,) = torch.load(result.run_dir / "checkpoints" / "last.ckpt", weights_only=True)["optimizer_states"]
    assert state["param_groups"][0]["lr"] == 0.125


@pytest.mark.parametrize("override", ["optimizer=adam", "optimizer.lr=1"])
def test_optimizer_override_is_an_error_where_the_module_configures_its_own(override, cli, install):
    install_foreign(install, FOREIGN + OWN_OPTIMIZER)
    result = cli("model=foreign", override)
    assert (result.code, result.written) == (2, [])
    assert f"{override}: model 'foreign' configures its own optimizer; drop this override" in result.err


# YAML that a plugin ships


def test_model_yaml_chooses_its_dataset(cli, install):
    chooses = "defaults:\n  - override /dataset@_global_.dataset: mnist\n\n" + LINEAR_YAML
    install_softmax(install, "acme", **{"model/softmax.yaml": chooses})
    chosen = yaml.safe_load(cli("--cfg", "job", "model=softmax").out)
    overridden = yaml.safe_load(cli("--cfg", "job", "model=softmax", "dataset=digits").out)
    assert (chosen["dataset"]["name"], overridden["dataset"]["name"]) == ("mnist", "digits")


def test_yaml_key_that_the_constructor_lacks_is_refused(cli, install):
    install_softmax(install, "acme", **{"model/softmax.yaml": LINEAR_YAML + "num_hiden: 3\n"})
    result = cli("model=softmax")
    assert (result.code, result.written) == (2, [])
    assert "model.num_hiden=3: no such argument; Linear takes num_features, num_classes" in result.err


@pytest.mark.parametrize(("text", "said"), [("name: logreg\n", "logreg"), ("num_features: 3\n", "None"), ("", "None")])
def test_yaml_that_does_not_say_its_own_name_is_refused(text, said, cli, install):
    install_softmax(install, "acme", **{"model/softmax.yaml": text})
    result = cli("model=softmax", "model.num_features=3")
    assert (result.code, result.written) == (2, [])
    assert f"conf/model/softmax.yaml: must say name: softmax, as its entry point; it says {said}\n" in result.err


@pytest.mark.parametrize("name", ["softmax", "acme/softmax"])
def test_file_that_is_no_yaml_is_told_with_its_place(name, cli, install):
    install_softmax(install, "acme", **{"model/softmax.yaml": "name: softmax\nl2: [0.1\n"})
    result = cli(f"model={name}")
    assert (result.code, result.written) == (2, [])
    assert re.search(r'a config file is not YAML: .* in ".*conf/model/softmax\.yaml", line 2', result.err)


# discovery


def test_discovery_imports_no_plugin(cli, install):
    install_softmax(install, "acme")
    install_foreign(install)
    assert cli("list").code == 0
    assert cli("show", "softmax").code == 0
    assert cli("--help").code == 0
    assert cli("--cfg", "job", "model=softmax").code == 0
    assert cli("model=softmax", "recipe.lr=abc").code == 2
    assert {"acme_pkg", "foreign_pkg"}.isdisjoint(sys.modules)


def test_doctor_goes_on_after_a_plugin_that_ends_the_process(cli, install, monkeypatch):
    install("dlpipe-acme", {"aborts": "acme:Softmax"}, {"acme.py": "import os\nos._exit(7)\n"})
    install("dlpipe-other", {"broken": "other:Softmax"}, {"other.py": BROKEN})
    monkeypatch.setenv("DLPIPE_PLUGINS", "acme,other")
    result = cli("doctor")
    assert result.code == 1
    assert "problem  model 'aborts' (acme:Softmax, from dlpipe-acme 1.0): the import ended the process" in result.out
    assert "(exit code 7)" in result.out
    assert "problem  model 'broken' (other:Softmax, from dlpipe-other 1.0)" in result.out
    assert "RuntimeError: libacme.so is missing" in result.out
    assert "ok       dataset 'digits'" in result.out
    assert "broken: the import ended the process" in cli("list").out


@pytest.mark.parametrize(
    ("requirement", "message"),
    [
        (
            "dlpipe>=99",
            "dlpipe-acme 1.0 needs dlpipe>=99, and 0.1.0 is installed; pip install --upgrade dlpipe-acme 'dlpipe>=99'",
        ),
        ("dlpipe-boltzmann<0.1", "dlpipe-acme 1.0 needs dlpipe-boltzmann<0.1, and 0.1.0 is installed"),
        ("dlpipe-nowhere", "dlpipe-acme needs dlpipe-nowhere, which is not installed; pip install dlpipe-nowhere"),
    ],
)
def test_doctor_names_plugins_whose_versions_do_not_fit(requirement, message, cli, install, monkeypatch, tmp_path):
    install_softmax(install, "acme")
    with next((tmp_path / "site-packages").glob("*.dist-info")).joinpath("METADATA").open("a") as file:
        file.write(f"Requires-Dist: dlpipe>=0.1\nRequires-Dist: {requirement}\nRequires-Dist: torch>=99\n")
    monkeypatch.setenv("DLPIPE_PLUGINS", "acme")
    monkeypatch.setattr("dlpipe.cli.verbs.doctor._import_all", lambda entries: [(entry, None) for entry in entries])
    result = cli("doctor")
    assert result.code == 1
    problems = [line for line in result.out.splitlines() if line.startswith("problem")]
    assert [line for line in problems if "dlpipe-acme" in line] == [line for line in problems if message in line]
    assert len([line for line in problems if message in line]) == 1
