"""The stages that a model may return."""

import pytest
import pytorch_lightning as pl
import torch

from dlpipe.errors import PluginError
from dlpipe.stages import Stage, prefixes, selected, stages_of


def model_of(*stages):
    class Model(pl.LightningModule):
        def stages(self):
            return list(stages)

    return Model()


MODULE = pl.LightningModule()
THREE = [Stage(name, MODULE) for name in ("pretrain/0", "pretrain/1", "finetune")]


def test_model_without_stages_is_its_own_only_stage():
    module = pl.LightningModule()
    module.stages = torch.nn.ModuleList()  # as residual networks call their parts
    (stage,) = stages_of(module)
    assert stage.name == ""
    assert stage.module is module


@pytest.mark.parametrize(
    ("stages", "message"),
    [
        ([], "at least one stage"),
        (["pretrain"], "returned 'pretrain'; it must return dlpipe.stages.Stage objects"),
        ([Stage("a", torch.nn.Linear(1, 1))], "it must return dlpipe.stages.Stage objects with a LightningModule"),
        ([Stage("a b", MODULE)], "with the name 'a b'"),
        ([Stage("/a", MODULE)], "with the name '/a'"),
        ([Stage("../a", MODULE)], r"with the name '\.\./a'"),
        ([Stage("a", MODULE), Stage("a", MODULE)], "each with a unique name"),
    ],
)
def test_invalid_list_of_stages_is_refused(stages, message):
    with pytest.raises(PluginError, match=message):
        stages_of(model_of(*stages))


def test_stage_is_selected_by_its_name_or_a_prefix():
    assert prefixes("pretrain/0") == ["pretrain", "pretrain/0"]
    assert prefixes("") == []
    assert selected(THREE, None) == THREE
    assert selected(THREE, ["pretrain"]) == THREE[:2]
    assert selected(THREE, ["finetune", "pretrain/1"]) == THREE[1:]
    with pytest.raises(PluginError, match="no stage 'pretrain/2'; did you mean"):
        selected(THREE, ["pretrain/2"])
