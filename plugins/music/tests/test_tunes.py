"""Datasets of tunes: order, pieces, the archives as they are and as they should not be."""

import bz2
import gzip
import json
import os
import struct
import sys
import zipfile

import numpy as np
import pytest
import torch

from dlpipe import DataError
from dlpipe.data import sha256_of
from dlpipe_music.matlab_rolls import JsbChorales, NottinghamRolls, PianoMidiRolls
from dlpipe_music.midi_archives import Nottingham, PianoMidi, _read, split_of
from dlpipe_music.midi_folder import MidiFolder
from dlpipe_music.synthetic_tunes import SyntheticTunes
from dlpipe_music.tunes import TuneOrder

LOADING = {"batch_size": 1, "shuffle": True, "drop_last": False, "eval_batch_size": 20, "seed": 1}


def test_tunes_are_shuffled_and_their_pieces_follow_one_another():
    tunes = torch.tensor([0, 0, 0, 1, 2, 2, 3])
    order = TuneOrder(tunes, seed=1, shuffle=True)
    seen = []
    for epoch in range(20):
        order.set_epoch(epoch)
        rows = order.permutation().tolist()
        assert sorted(rows) == list(range(7))
        assert rows.index(1) == rows.index(0) + 1 == rows.index(2) - 1
        assert rows.index(5) == rows.index(4) + 1
        seen.append(tuple(rows))
    assert len(set(seen)) > 10
    order.set_epoch(3)
    assert tuple(order.permutation().tolist()) == seen[3]
    assert TuneOrder(tunes, seed=1, shuffle=False).permutation() is None


def test_synthetic_tunes_are_cut_to_train_and_whole_to_evaluate():
    data = SyntheticTunes(**LOADING)
    data.setup("fit")
    assert len(data.train_dataloader()) == 120
    lengths = [int(batch.lengths) for batch in data.train_dataloader()]
    assert lengths == [100, 32] * 60
    (batch,) = data.val_dataloader()
    assert batch.x.shape == (12, 132, 88)
    assert set(batch.x.unique().tolist()) == {0, 1}
    assert "synthetic" in data.title


def test_synthetic_tunes_are_the_same_for_every_seed_and_all_different():
    one, other = (SyntheticTunes(**{**LOADING, "seed": seed}) for seed in (1, 2))
    assert one.checksums() == other.checksums()
    rolls = [roll.tobytes() for own in one.load_rolls().values() for roll in own]
    assert len(set(rolls)) == len(rolls) == 84


def test_pitches_are_those_asked_for_and_the_key_can_be_common():
    whole, part, common = (
        SyntheticTunes(**LOADING, **options)
        for options in ({}, {"lowest_pitch": 60, "num_pitches": 24}, {"common_key": True})
    )
    for data in (whole, part, common):
        data.setup("fit")
    assert part.splits["test"].x.values.equal(whole.splits["test"].x.values[:, 39:63])
    classes = [
        np.flatnonzero(np.bincount(np.arange(21, 109) % 12, d.splits["train"].x.values.sum(0)) > 0)
        for d in (whole, common)
    ]
    assert len(classes[0]) == 12
    assert len(classes[1]) < 12
    with pytest.raises(ValueError, match=r"dataset.lowest_pitch=60 with dataset.num_pitches=88 ends above 127"):
        SyntheticTunes(**LOADING, lowest_pitch=60)


# --- archives


@pytest.fixture
def archive(tmp_path):
    """Write Nottingham.zip from names and bytes; gives the dataset's options."""

    def write(members):
        with zipfile.ZipFile(tmp_path / "Nottingham.zip", "w") as file:
            for name, content in members.items():
                file.writestr(name, content)
        return {**LOADING, "directory": str(tmp_path)}

    return write


def three(tune, **more):
    return {f"N/{split}/a.mid": tune for split in ("train", "valid", "test")} | more


def test_an_archive_is_read_once_and_kept_by_its_checksum(archive, tune, own_cache, monkeypatch):
    options = archive(three(tune))
    data = Nottingham(**options)
    data.prepare_data()
    (entry,) = own_cache.rglob("*.npz")
    assert entry.name.startswith(sha256_of(data.path()))
    monkeypatch.setattr("dlpipe_music.midi_archives.read_files", lambda _: pytest.fail("it was read again"))
    data.setup("fit")
    assert data.splits["train"].x.values[:, 39].tolist() == [1, 1, 1, 1]
    assert list(data.checksums()) == ["Nottingham.zip"]


def test_a_damaged_entry_of_the_cache_is_made_anew(archive, tune, own_cache):
    options = archive(three(tune))
    Nottingham(**options).prepare_data()
    (entry,) = own_cache.rglob("*.npz")
    whole = entry.read_bytes()
    for damaged in (b"", whole[:100], whole[:200] + b"\0" * 50 + whole[250:]):
        entry.write_bytes(damaged)
        data = Nottingham(**options)
        data.setup("fit")
        assert len(data.splits["train"].x) == 1


def test_a_cache_that_cannot_be_written_costs_only_time(archive, tune, own_cache, monkeypatch):
    (own_cache / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(own_cache / "file"))
    data = Nottingham(**archive(three(tune)))
    data.setup("fit")
    assert len(data.splits["val"].x) == 1


def test_bad_files_stop_the_run_or_are_named_counted_and_left_out(archive, tune, midi, caplog):
    members = three(
        tune, **{"N/train/b.mid": b"no", "N/train/c.mid": midi([]), "N/readme.txt": b"", "__MACOSX/N/._a.mid": b""}
    )
    options = archive(members)
    message = (
        r"2 of 5 MIDI files in .* cannot be read.*N/train/b.mid: it is no MIDI file.*N/train/c.mid: it has no notes"
    )
    with pytest.raises(DataError, match=message + r".*dataset.on_bad_file=skip"):
        Nottingham(**options).prepare_data()
    data = Nottingham(**options, on_bad_file="skip")
    data.prepare_data()
    assert "2 of 5 MIDI files" in caplog.text
    assert "N/train/c.mid: it has no notes" in caplog.text
    data.setup("fit")
    assert len(data.splits["train"].x) == 1


def test_a_bad_file_stops_a_command_line_too(cli, tmp_path, tune):
    """on_bad_file ends like the name of a path, and is none."""
    for name in ("a.mid", "b.mid", "c.mid"):
        (tmp_path / name).write_bytes(tune)
    (tmp_path / "bad.mid").write_bytes(b"no tune")
    run = ("model=rnn_rbm", "dataset=midi_folder", f"dataset.directory={tmp_path}", "trainer.limit_train_batches=1")
    result = cli("check", *run)
    assert result.code == 2
    assert "1 of 4 MIDI files" in result.err
    assert cli("check", *run, "dataset.on_bad_file=skip").code == 0


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"N/train/readme.txt": b""}, "has no MIDI files"),
        ({"N/train/a.mid": b"no"}, "none of the 1 MIDI files in .* can be read: N/train/a.mid"),
        ({"N/train/a.mid": None, "N/valid/a.mid": None}, "no tunes for test"),
        ({"N/a.mid": None}, "N/a.mid in none of the folders train, valid"),
    ],
    ids=["no MIDI", "all bad", "no test", "no folder"],
)
def test_an_archive_without_tunes_is_refused(archive, tune, members, message):
    options = archive({name: tune if content is None else content for name, content in members.items()})
    data = Nottingham(**options)
    with pytest.raises(DataError, match=message):
        data.setup("fit")


def test_a_corrupt_archive_is_refused(archive, tune, tmp_path):
    options = archive(three(tune))
    path = tmp_path / "Nottingham.zip"
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(DataError, match=r"Nottingham.zip is damaged or no zip archive"):
        Nottingham(**options).prepare_data()


def test_a_damaged_member_is_a_bad_file(archive, tune, tmp_path):
    options = archive(three(tune, **{"N/train/b.mid": tune + b"more"}))
    path = tmp_path / "Nottingham.zip"
    path.write_bytes(path.read_bytes().replace(b"more", b"less", 1))
    with pytest.raises(DataError, match=r"1 of 4 MIDI files .*N/train/b.mid: Bad CRC"):
        Nottingham(**options).prepare_data()


@pytest.mark.parametrize("dataset", [Nottingham, PianoMidi, NottinghamRolls, PianoMidiRolls, JsbChorales])
def test_a_file_that_is_not_there_is_told_with_where_it_is_looked_for(dataset, tmp_path, monkeypatch):
    monkeypatch.setenv("DLPIPE_DATA", str(tmp_path))
    with pytest.raises(DataError, match=rf"no .* in {tmp_path}/music or .*Put it there, or set DLPIPE_DATA"):
        dataset(**LOADING, offline=True).prepare_data()


# --- a folder


def test_a_folder_is_divided_always_alike(tmp_path, midi):
    for number in range(20):
        (tmp_path / f"{number}.MID").write_bytes(midi([(0, "on", 40 + number), (480, "off", 40 + number)]))
    splits = []
    for seed in (1, 2):
        data = MidiFolder(**{**LOADING, "seed": seed}, directory=str(tmp_path))
        data.prepare_data()
        data.setup("fit")
        splits.append({name: split.x.values for name, split in data.splits.items()})
    assert {name: int(values.any(1).sum()) for name, values in splits[0].items()} == {"train": 32, "val": 4, "test": 4}
    assert all(splits[0][name].equal(splits[1][name]) for name in splits[0])


def test_a_folder_with_the_splits_folders_is_divided_by_them(tmp_path, tune, midi):
    for split in ("train", "valid", "test"):
        (tmp_path / split / "deep").mkdir(parents=True)
        (tmp_path / split / "deep" / "a.mid").write_bytes(tune)
    data = MidiFolder(**LOADING, directory=str(tmp_path))
    data.setup("fit")
    assert {name: len(split.x) for name, split in data.splits.items()} == {"train": 1, "val": 1, "test": 1}
    (tmp_path / "b.mid").write_bytes(tune)
    with pytest.raises(DataError, match=r"b.mid is in none of the folders train, valid and test"):
        MidiFolder(**LOADING, directory=str(tmp_path)).setup("fit")


def test_a_folder_whose_bad_files_leave_too_few_says_how_many_there_are(tmp_path, tune):
    for name in ("a.mid", "b.mid"):
        (tmp_path / name).write_bytes(tune)
    (tmp_path / "bad.mid").write_bytes(b"no tune")
    data = MidiFolder(**LOADING, directory=str(tmp_path), on_bad_file="skip")
    with pytest.raises(DataError, match="of the folder's 3 MIDI files 2 can be read; at least 3 are needed"):
        data.setup("fit")


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ([], "has no MIDI files"),
        (["a.txt"], "has no MIDI files"),
        (["a.mid", "b.mid"], "of the folder's 2 MIDI files 2 can be read; at least 3 are needed"),
    ],
)
def test_a_folder_without_enough_tunes_is_refused(tmp_path, tune, files, message):
    for name in files:
        (tmp_path / name).write_bytes(b"text" if name.endswith("txt") else tune)
    data = MidiFolder(**LOADING, directory=str(tmp_path))
    with pytest.raises(DataError, match=message):
        data.setup("fit")


@pytest.mark.parametrize(
    ("directory", "message"),
    [(None, "dataset.directory says where the MIDI files are"), ("/nowhere", "/nowhere is no folder")],
)
def test_a_folder_that_is_not_there_is_refused(directory, message):
    with pytest.raises(DataError, match=message):
        MidiFolder(**LOADING, directory=directory).prepare_data()


def test_a_midi_file_is_known_by_its_first_bytes_and_every_other_file_is_named(tmp_path, tune, caplog):
    riff = b"RIFF" + struct.pack("<I", len(tune) + 12) + b"RMIDdata" + struct.pack("<I", len(tune)) + tune
    contents = {
        "a.MID": tune,
        "b.kar": tune,
        "c.rmi": riff,
        "d": tune,
        "e.mid": gzip.compress(tune),
        "f.txt.gz": gzip.compress(tune),
        "notes.txt": b"text",
        "more.zip": b"PK\3\4",
        ".hidden": b"",
    }
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    data = MidiFolder(**LOADING, directory=str(tmp_path))
    data.setup("fit")
    assert sum(len(split.x) for split in data.splits.values()) == 6
    read, left_out = caplog.messages
    assert read == f"{tmp_path}: files read as MIDI, as they begin so: b.kar, c.rmi, d, f.txt.gz"
    assert left_out == f"{tmp_path}: files left out, as they are no MIDI: more.zip, notes.txt"


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such names")
def test_a_name_that_is_not_utf_8_is_read_and_named(tmp_path, tune, caplog):
    for name in (b"a.mid", b"caf\xe9.mid", b"c.mid"):
        (tmp_path / os.fsdecode(name)).write_bytes(tune)
    data = MidiFolder(**LOADING, directory=str(tmp_path))
    data.setup("fit")
    assert sum(len(split.x) for split in data.splits.values()) == 3
    assert len(data.checksums()["midi_folder"]) == 64
    (tmp_path / os.fsdecode(b"bad\xe9.mid")).write_bytes(b"")
    with pytest.raises(DataError, match=r"bad\udce9\.mid: it is no MIDI file"):
        MidiFolder(**LOADING, directory=str(tmp_path)).prepare_data()


def test_a_file_that_decompresses_to_too_much_is_a_bad_file(tmp_path, tune):
    for name in ("a.mid", "b.mid", "c.mid"):
        (tmp_path / name).write_bytes(tune)
    (tmp_path / "bomb.mid").write_bytes(gzip.compress(bytes(2**24 + 1)))
    with pytest.raises(DataError, match=r"1 of 4 MIDI files .*bomb\.mid: it has more than 16777216 bytes"):
        MidiFolder(**LOADING, directory=str(tmp_path)).prepare_data()


# --- MATLAB's files


@pytest.mark.parametrize("pack", [bytes, gzip.compress, bz2.compress])
def test_a_matlab_file_is_decompressed_whatever_its_name(tmp_path, pack):
    from scipy.io import savemat

    cells = np.empty((1, 1), object)
    cells[0, 0] = np.eye(88)
    savemat(tmp_path / "plain", dict.fromkeys(("traindata", "validdata", "testdata"), cells), appendmat=False)
    (tmp_path / "JSB_Chorales.mat").write_bytes(pack((tmp_path / "plain").read_bytes()))
    rolls = JsbChorales(**LOADING, directory=str(tmp_path)).load_rolls()
    assert [roll.shape for roll in rolls["test"]] == [(88, 128)]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "damaged or no MATLAB file"),
        ({"traindata": np.zeros(1)}, "has no validdata, testdata"),
        (
            dict.fromkeys(("traindata", "validdata", "testdata"), np.full((1, 1), 2.0)),
            "traindata, cell 0 from 0 is no roll",
        ),
    ],
)
def test_a_bad_matlab_file_is_refused(tmp_path, content, message):
    from scipy.io import savemat

    path = tmp_path / "JSB_Chorales.mat"
    if content is None:
        path.write_bytes(b"MATLAB 5.0" + bytes(200))
    else:
        savemat(path, content)
    with pytest.raises(DataError, match=message):
        JsbChorales(**LOADING, directory=str(tmp_path)).setup("fit")


# --- the real ones


@pytest.mark.parametrize(
    ("dataset", "file"),
    [(NottinghamRolls, "Nottingham.mat"), (PianoMidiRolls, "Piano_midi.mat"), (JsbChorales, "JSB_Chorales.mat")],
)
def test_the_real_rolls_have_the_statistics_of_stats_json(real_music, dataset, file):
    stats = json.loads((real_music.parent / "stats.json").read_text())["music"][file]
    data = dataset(**LOADING, directory=str(real_music))
    for name, rolls in data.load_rolls().items():
        wanted = stats["valid" if name == "val" else name]
        assert (len(rolls), sum(map(len, rolls)), sum(int(roll.sum()) for roll in rolls)) == (
            wanted["pieces"],
            wanted["steps"],
            wanted["notes_on"],
        )
        sounding = np.flatnonzero(sum(roll.sum(0, dtype=int) for roll in rolls))
        assert (sounding[0], sounding[-1]) == (wanted["lowest_pitch"], wanted["highest_pitch"])


@pytest.mark.slow
@pytest.mark.parametrize(("dataset", "file"), [(Nottingham, "Nottingham.zip"), (PianoMidi, "Piano-midi.de.zip")])
def test_the_real_archives_have_the_statistics_of_stats_json(real_music, dataset, file):
    """Seconds there are the ends of the files, up to a minute after the last note; frames are of 0.3 s."""
    stats = json.loads((real_music.parent / "stats.json").read_text())["music"][file]
    data = dataset(**LOADING, directory=str(real_music))
    data.prepare_data()
    for name, rolls in data.load_rolls().items():
        wanted = stats["valid" if name == "val" else name]
        assert len(rolls) == wanted["files"]
        assert 0.96 * wanted["seconds"] < sum(map(len, rolls)) * 0.3 < 1.005 * wanted["seconds"]
        own = [notes for file, notes in _read(data.path()).notes.items() if split_of(file) == name]
        assert sum(map(len, own)) == pytest.approx(wanted["note_on_events"], rel=0.001)
        sounding = np.flatnonzero(sum(roll.sum(0, dtype=int) for roll in rolls))
        assert wanted["lowest_pitch"] <= sounding[0] <= wanted["lowest_pitch"] + 3
        assert wanted["highest_pitch"] - 3 <= sounding[-1] <= wanted["highest_pitch"]
