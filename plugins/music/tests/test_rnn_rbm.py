"""The RNN-RBM as a module: what an update does, what is logged, drawn and given."""

import io
import math
import re

import mido
import numpy as np
import pytest
import torch

from dlpipe.data import SequenceBatch
from dlpipe.testing import check_model
from dlpipe_boltzmann.energy import visible_mean
from dlpipe_music import rnn_rbm
from dlpipe_music.midi import read_notes
from dlpipe_music.piano_roll import roll_of
from dlpipe_music.rnn_rbm import RnnRbm
from dlpipe_music.synthetic_tunes import SyntheticTunes

SMALL = {"num_visible": 6, "num_hidden": 5, "num_recurrent": 4, "k": 2, "generated_frames": 9, "generation_steps": 3}


@pytest.fixture
def make():
    """A small model, none of whose parameters is zero; what it logs, and for how many frames, is in ``logged``."""

    def build(scale=1.0, **options):
        torch.manual_seed(0)
        model = RnnRbm(**{**SMALL, **options}).double()
        for parameter in model.parameters():
            torch.nn.init.normal_(parameter, std=scale)
        model.logged = {}
        model.log = lambda name, value, batch_size=None: model.logged.update(
            {name: (float(value.detach()), batch_size)}
        )
        return model

    return build


def batch_of(*pieces):
    """Padded with ones, to see that padding does not count."""
    longest = max(map(len, pieces))
    x = torch.stack([torch.cat([piece, piece.new_ones(longest - len(piece), 6)]) for piece in pieces])
    return SequenceBatch(x, torch.arange(len(pieces)), torch.tensor([len(piece) for piece in pieces]))


@pytest.fixture
def pieces(generator):
    return [torch.randint(0, 2, (steps, 6), generator=generator).double() for steps in (7, 3, 5)]


def test_it_has_as_many_parameters_as_in_the_tutorial():
    assert sum(parameter.numel() for parameter in RnnRbm().parameters()) == 56_138


def test_weights_are_the_tutorials_normals_and_biases_zero():
    torch.manual_seed(0)
    model = RnnRbm()
    assert float(model.W.detach().std()) == pytest.approx(0.01, rel=0.05)
    for weight in (model.W_uh, model.W_uv, model.W_vu, model.W_uu):
        assert float(weight.detach().std()) == pytest.approx(0.0001, rel=0.05)
    assert not any(bias.any() for bias in (model.b, model.c, model.b_u))


def test_an_update_of_one_piece_reaches_every_parameter(make, pieces):
    model = make()
    gradients = torch.autograd.grad(model.training_step(batch_of(pieces[0]), 0), list(model.parameters()))
    assert all(gradient.abs().max() > 0 for gradient in gradients)


def test_a_frame_changes_the_machines_of_later_frames_alone(make, pieces):
    model = make(scale=0.5)
    x = pieces[0].unsqueeze(0)
    other = x.clone()
    other[0, 3] = 1 - other[0, 3]
    for one, changed in zip(model(x)[1:], model(other)[1:], strict=True):
        assert one[:4].equal(changed[:4])
        assert (one[4:] != changed[4:]).any(1).all()


def test_padding_changes_no_machine_loss_or_gradient(make, pieces):
    model = make(scale=0.5)
    batch = batch_of(*pieces)
    padded, frames = model._machine_and_frames(batch)
    alone = [model(piece.unsqueeze(0)) for piece in pieces]
    torch.testing.assert_close(padded.b, torch.cat([own.b for own in alone]))
    torch.testing.assert_close(padded.c, torch.cat([own.c for own in alone]))
    assert frames.equal(torch.cat(pieces))
    torch.manual_seed(1)
    loss = model.training_step(batch, 0)
    gradients = torch.autograd.grad(loss, list(model.parameters()))
    other = batch._replace(x=batch.x.clone())
    other.x[1, 3:] = 0
    torch.manual_seed(1)
    changed = model.training_step(other, 0)
    assert changed.equal(loss)
    for one, two in zip(torch.autograd.grad(changed, list(model.parameters())), gradients, strict=True):
        torch.testing.assert_close(one, two, rtol=0, atol=1e-15)


def test_the_monitor_is_the_tutorials_formula_where_that_is_finite(make, pieces, monkeypatch):
    model = make(scale=0.3)
    seen = []
    real = rnn_rbm.visible_preactivation
    monkeypatch.setattr(
        rnn_rbm, "visible_preactivation", lambda machine, h: seen.append((machine, h)) or real(machine, h)
    )
    model.training_step(batch_of(pieces[0]), 0)
    ((machine, h),) = seen
    assert set(h.unique().tolist()) <= {0.0, 1.0}
    v, m = pieces[0], visible_mean(machine, h).detach()
    naive = (v * m.log() + (1 - v) * (1 - m).log()).sum() / len(v)
    assert float(model.epoch_mean.compute()) == pytest.approx(float(naive))


def test_the_monitor_is_finite_where_the_tutorials_formula_is_minus_infinity(make, pieces):
    model = make().float()
    with torch.no_grad():
        model.b.fill_(-200.0)
    model.training_step(batch_of(pieces[0].float()), 0)
    assert math.isfinite(float(model.epoch_mean.compute()))
    assert float(model.epoch_mean.compute()) < -100


def test_validation_is_over_frames_and_the_same_every_time(make, pieces):
    model, batch = make(), batch_of(*pieces)
    before = torch.get_rng_state()
    model.validation_step(batch, 0)
    first = model.logged["val/reconstruction"]
    model.validation_step(batch, 0)
    model.test_step(batch, 0)
    assert model.logged["val/reconstruction"] == model.logged["test/reconstruction"] == first
    assert first[1] == 15
    assert torch.get_rng_state().equal(before)


def test_samples_are_midi_files_pictures_and_an_array(make):
    model = make(lowest_pitch=60, frame_seconds=0.25)
    files = model.sample(2, SyntheticTunes(batch_size=1, shuffle=True, drop_last=False, eval_batch_size=4, seed=1))
    assert sorted(files) == ["sample1.mid", "sample1.png", "sample2.mid", "sample2.png", "samples.npy"]
    rolls = files["samples.npy"]
    assert rolls.shape == (2, 9, 6)
    assert set(np.unique(rolls)) == {0, 1}
    for number, roll in enumerate(rolls, 1):
        assert mido.MidiFile(file=io.BytesIO(files[f"sample{number}.mid"])).type == 1
        back = roll_of(read_notes(files[f"sample{number}.mid"]), 0.25)[:, 60:66]
        assert np.array_equal(back, roll[: len(back)])
        assert files[f"sample{number}.png"].shape == (450, 900, 3)


def test_figures_are_the_same_every_time(make):
    model = make()
    one, other = model.figures(), model.figures()
    assert np.array_equal(one["generated"], other["generated"])
    data = SyntheticTunes(batch_size=1, shuffle=True, drop_last=False, eval_batch_size=4, seed=1)
    data.setup("test")
    assert list(model.data_figures(data)) == ["test_tune"]


def test_pitches_above_the_highest_are_refused():
    with pytest.raises(ValueError, match=r"lowest_pitch=60 with num_visible=88 ends above 127"):
        RnnRbm(lowest_pitch=60)


def test_options_beyond_the_tutorial_train():
    check_model(
        "rnn_rbm",
        "recipe.monitor=val/reconstruction",
        "recipe.monitor_mode=max",
        "optimizer.momentum=0.9",
        "trainer.gradient_clip_val=1.0",
        "dataset.common_key=true",
        "recipe.batch_size=3",
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("model.num_visible=12", r"model.num_visible=12: frames of the dataset have 88; leave it out"),
        ("-m model.lowest_pitch=21,31", r"model.lowest_pitch=31: frames of the dataset have 21; leave it out"),
        ("model.lowest_pitch=30", r"model.lowest_pitch=30: frames of the dataset have 21; leave it out"),
        ("model.frame_seconds=1", r"model.frame_seconds=1.*: frames of the dataset have 0.3; leave it out"),
        (
            "dataset=synthetic_flights model.num_visible=88 model.lowest_pitch=21 model.frame_seconds=0.3",
            r"rnn_rbm is trained on tunes, and SyntheticFlights has none: choose nottingham",
        ),
    ],
)
def test_a_dataset_with_other_frames_is_refused_before_anything_is_written(cli, words, message):
    result = cli("model=rnn_rbm", *words.split())
    assert result.code == 2
    assert re.search(message, result.err), result.err
    assert list(result.folder.iterdir()) == []
