"""python -m dlpipe new: what it writes, what it refuses, what it prints."""

import errno
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import tomlkit

from dlpipe_authoring.new.plugin_project import read_project, with_entry_points
from dlpipe_authoring.new.template import render

AUTHORING = Path(__file__).parents[1]


@pytest.fixture
def acme(cli):
    """The folder of a new plugin."""
    result = cli("new", "acme")
    assert result.code == 0, result.err
    return result.folder / "dlpipe-acme"


def files_of(folder):
    return {path.relative_to(folder).as_posix(): path.read_text() for path in folder.rglob("*") if path.is_file()}


def test_new_plugin_ends_with_what_to_type_next(cli):
    result = cli("new", "acme")
    assert result.out.splitlines()[-4:] == [
        "next:",
        "  pip install -e dlpipe-acme",
        "  python -m dlpipe model=acme dataset=acme_points",
        "  pytest dlpipe-acme",
    ]


def test_every_file_is_listed_and_none_is_left_over(cli):
    result = cli("new", "acme")
    listed = [line.strip() for line in result.out.partition("next:")[0].splitlines()[1:]]
    assert listed == sorted(files_of(result.folder / "dlpipe-acme"))
    assert [path.name for path in result.folder.iterdir()] == ["dlpipe-acme"]


def test_dlpipe_acme_means_acme(cli):
    folder = cli("new", "acme", "one").folder
    assert cli("new", "dlpipe-acme", "other").code == 0
    assert files_of(folder / "other") == files_of(folder / "one") != {}


def test_hyphens_are_underscores_in_the_package(cli):
    result = cli("new", "my-lab")
    assert (result.folder / "dlpipe-my-lab" / "dlpipe_my_lab" / "my_lab.py").is_file()


def test_first_model_dataset_and_callback_have_the_given_names(cli):
    result = cli("new", "acme", "--model", "softmax", "--dataset", "clouds", "--callback", "weight_norm")
    project = read_project(result.folder / "dlpipe-acme")
    assert project.entry_points == {
        "dlpipe.models": {"softmax": "dlpipe_acme.softmax:Softmax"},
        "dlpipe.datasets": {"clouds": "dlpipe_acme.clouds:Clouds"},
    }
    assert "python -m dlpipe model=softmax dataset=clouds 'callbacks=[default,weight_norm]'" in result.out


def test_adding_registers_in_the_folder_that_one_is_in(cli, acme, monkeypatch):
    from dlpipe_authoring.new.verb import new

    monkeypatch.chdir(acme)
    before = files_of(acme)
    new(["--model", "wide_net"])
    added = files_of(acme).keys() - before.keys()
    assert added == {
        "dlpipe_acme/wide_net.py",
        "dlpipe_acme/conf/model/wide_net.yaml",
        "dlpipe_acme/conf/recipe/wide_net.yaml",
        "tests/test_wide_net.py",
    }
    assert read_project(acme).entry_points["dlpipe.models"]["wide_net"] == "dlpipe_acme.wide_net:WideNet"


def test_adding_changes_no_file_but_pyproject(cli, acme):
    before = files_of(acme)
    result = cli("new", "dlpipe-acme", "--dataset", "clouds", "--callback", "weight_norm")
    assert result.code == 0, result.err
    after = files_of(acme)
    assert [name for name, text in before.items() if after[name] != text] == ["pyproject.toml"]
    assert "pip install -e dlpipe-acme" in result.out
    assert "python -m dlpipe model=acme dataset=clouds 'callbacks=[default,weight_norm]'" in result.out


def test_a_callback_alone_leaves_pyproject_as_it_is(cli, acme):
    before = (acme / "pyproject.toml").read_bytes()
    assert cli("new", "dlpipe-acme", "--callback", "weight_norm").code == 0
    assert (acme / "pyproject.toml").read_bytes() == before


def test_a_name_that_an_older_install_of_the_same_plugin_has_is_free(cli, acme, tmp_path, monkeypatch):
    info = tmp_path / "dlpipe_acme-0.1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: dlpipe-acme\nVersion: 0.1.0\n")
    (info / "entry_points.txt").write_text("[dlpipe.models]\nwide_net = dlpipe_acme.wide_net:WideNet\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert cli("new", "dlpipe-acme", "--model", "wide_net").code == 0


def test_a_package_in_src_gets_its_files_there(cli, acme):
    (acme / "src").mkdir()
    (acme / "dlpipe_acme").rename(acme / "src" / "dlpipe_acme")
    assert cli("new", "dlpipe-acme", "--model", "wide_net").code == 0
    assert (acme / "src" / "dlpipe_acme" / "conf" / "model" / "wide_net.yaml").is_file()
    assert (acme / "tests" / "test_wide_net.py").is_file()


@pytest.mark.parametrize(
    "text",
    [
        '[project]\nname = "dlpipe-acme"  # ours\n\n[tool.ruff]\nline-length = 100 # wide\n',
        '[project]\nname = "x"\n\n# models\n[project.entry-points."dlpipe.models"]\na = "b:C" # a\n\n[tool.x]\ny = 1\n',
        '[project]\nname = "x"\n[tool.x]\ny = 1\n[project.entry-points."dlpipe.models"]\na = "b:C"\n[tool.z]\ny = 1\n',
        '[project]\nname = "x"\n[project.entry-points]\n"dlpipe.models" = { a = "b:C" }\n[tool.x]\ny = 1\n',
    ],
)
def test_entry_points_are_added_and_comments_stay(text):
    added = {"dlpipe.models": {"d": "e:F"}, "dlpipe.datasets": {"g": "h:I"}}
    changed = with_entry_points(text, added)
    points = tomlkit.parse(changed).unwrap()
    found = points["project"].pop("entry-points")
    before = tomlkit.parse(text).unwrap()
    old = before["project"].pop("entry-points", {})
    assert points == before
    assert found == {"dlpipe.models": {**old.get("dlpipe.models", {}), "d": "e:F"}, "dlpipe.datasets": {"g": "h:I"}}
    assert [line for line in text.splitlines() if "#" in line and line not in changed.splitlines()] == []


@pytest.mark.parametrize("words", [["acme", "other"], ["dlpipe-acme", "--model", "wide_net"]], ids=" ".join)
def test_a_full_disk_leaves_no_part_of_a_plugin(words, cli, acme, monkeypatch):
    before = files_of(acme.parent)

    def write(path, *_, **__):
        path.touch()
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr(Path, "write_text", write)
    result = cli("new", *words)
    assert (result.code, "No space left on device. Free some space" in result.err) == (2, True)
    assert files_of(acme.parent) == before
    assert [path.name for path in acme.parent.iterdir()] == ["dlpipe-acme"]


def test_a_value_that_a_template_misses_is_an_error():
    with pytest.raises(Exception, match="'name' is undefined"):
        render("model", {"package": "dlpipe_acme"})


def test_wheel_has_the_template(tmp_path):
    options = ("--no-build-isolation", "--no-deps", "--no-index", "--quiet", "--disable-pip-version-check")
    subprocess.run([sys.executable, "-m", "pip", "wheel", *options, "-w", str(tmp_path), str(AUTHORING)], check=True)
    (wheel,) = tmp_path.glob("*.whl")
    template = AUTHORING / "dlpipe_authoring" / "template"
    expected = {f"dlpipe_authoring/template/{name}" for name in files_of(template)}
    assert expected <= set(zipfile.ZipFile(wheel).namelist())
    assert len(expected) > 15


@pytest.mark.parametrize("words", [["new", "--help"], ["new"], ["new", "Acme Corp"]], ids=" ".join)
def test_help_and_wrong_arguments_import_neither_torch_nor_jinja2(words, tmp_path):
    code = (
        f"import sys; from dlpipe.cli.main import main; main({words}); "
        "print(sorted({'torch', 'jinja2', 'tomlkit'} & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert result.stdout.splitlines()[-1] == "[]", result.stderr
