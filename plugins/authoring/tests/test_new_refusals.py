"""What python -m dlpipe new refuses, each with its message, before anything is written."""

import re

import pytest


@pytest.fixture
def acme(cli):
    """The folder of a new plugin."""
    return cli("new", "acme").folder / "dlpipe-acme"


def refusal(cli, *words):
    """What is printed for a request that is refused; nothing may be written."""
    before = cli("--version").written
    result = cli("new", *words)
    assert result.code == 2
    assert result.written == before
    assert result.out == ""
    return result.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["Acme Corp"],
            "plugin 'Acme Corp': a name has small letters, digits and _ and begins with a letter, such as ",
        ),
        (["1x"], "plugin '1x': a name has small letters, digits and _ and begins with a letter, such as x\n"),
        (["12"], "plugin '12': a name has small letters, digits and _ and begins with a letter, such as acme\n"),
        (["a" * 31], "this name has 31 letters, 30 are allowed; choose a shorter one"),
        (["class"], "plugin 'class': this is a keyword of Python, so no module or class can have this name"),
        (["supervised"], "plugin 'supervised': dlpipe-supervised 0.1.0 is installed; choose another name, or pip unin"),
        (["acme", "--model", "Big-Net"], "--model Big-Net: a name has small letters, digits and _ and begins with a "),
        (["acme", "--model", "none"], "--model none: this is a keyword of Python, so no module or class can have this"),
        (["acme", "--model", "conf"], "--model conf: the folder of the YAML has this name; choose another"),
        (["acme", "--model", "contract"], "--model contract: tests/test_contract.py has this name; choose another"),
        (
            ["acme", "--callback", "default"],
            "--callback default: dlpipe's own callbacks have this name; choose another",
        ),
        (
            ["acme", "--model", "mlp"],
            "--model mlp: dlpipe-supervised has a model of this name, so model=mlp would mean",
        ),
        (["acme", "--dataset", "mnist"], "--dataset mnist: dlpipe has a dataset of this name, so dataset=mnist would"),
        (["acme", "--dataset", "acme"], "--dataset acme: the model has this name, and each has a file of its own; "),
        (["acme", "no/such"], "no/such: there is no folder no; create it first"),
        (["--model", "wide_net"], "there is no pyproject.toml in "),
        ([], "give the name of a new plugin, such as acme; or --model, --dataset or --callback NAME"),
        (["acme", "--mode", "x"], "unrecognized arguments: --mode"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_request_for_a_new_plugin_is_refused(words, message, cli):
    assert message in refusal(cli, *words)


def test_all_problems_are_named_at_once(cli):
    error = refusal(cli, "Acme Corp", "no/such", "--model", "mlp", "--dataset", "class")
    assert "4 problems in this request; nothing was run or written" in error
    for where in ("plugin 'Acme Corp'", "no/such", "--model mlp", "--dataset class"):
        assert f"  {where}: " in error


@pytest.mark.parametrize("make", ["mkdir", "touch"])
def test_an_existing_folder_or_file_is_left_alone(make, cli):
    folder = cli("--version").folder
    getattr(folder / "dlpipe-acme", make)()
    message = "dlpipe-acme: exists; nothing is overwritten; choose another folder: python -m dlpipe new PLUGIN DIR"
    assert message in refusal(cli, "acme")


def test_a_name_of_a_plugin_that_is_here_says_how_to_add_to_it(cli, acme):
    message = "dlpipe-acme: exists; to add a model to it, type python -m dlpipe new dlpipe-acme --model NAME"
    assert message in refusal(cli, "acme", "--model", "wide_net")
    assert "say what to add: --model, --dataset or --callback NAME" in refusal(cli, "dlpipe-acme")
    assert "dlpipe-acme is a plugin already; leave out other" in refusal(cli, "dlpipe-acme", "other")


def test_names_that_the_plugin_has_are_refused(cli, acme):
    error = refusal(cli, "dlpipe-acme", "--model", "acme", "--dataset", "acme_points")
    assert "--model acme: dlpipe-acme/pyproject.toml registers a model of this name; choose another name" in error
    assert "--dataset acme_points: dlpipe-acme/pyproject.toml registers a dataset of this name" in error


def test_every_existing_file_is_named(cli, acme):
    existing = [acme / "dlpipe_acme" / "conf" / "model" / "wide_net.yaml", acme / "tests" / "test_wide_net.py"]
    for path in existing:
        path.write_text("mine")
    error = refusal(cli, "dlpipe-acme", "--model", "wide_net")
    for path in existing:
        name = path.relative_to(acme.parent)
        assert f"{name}: exists; nothing is overwritten: choose another name, or move it away" in error
        assert path.read_text() == "mine"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[project", "pyproject.toml cannot be read: .*; correct it first"),
        ("[tool.ruff]\n", r"pyproject.toml has no name in \[project\]; give it one, such as dlpipe-acme"),
        (
            '[project]\nname = "dlpipe-acme"\nentry-points."dlpipe.models".a = "dlpipe_acme:C"\n[tool.x]\n',
            "pyproject.toml has dotted keys for entry points, which cannot be edited; write them as tables",
        ),
        ('[project]\nname = "dlpipe-other"\n', "no folder dlpipe_other in dlpipe-acme, nor in its src/: the files go"),
    ],
)
def test_a_pyproject_that_is_no_plugins_is_refused(text, message, cli, acme):
    (acme / "pyproject.toml").write_text(text)
    error = refusal(cli, "dlpipe-acme", "--dataset", "clouds")
    assert re.search(message, error), error
