"""Verbs that plugins register in dlpipe.verbs."""

import subprocess
import sys

import pytest

from dlpipe.cli.main import main

GREET = '''
import argparse, sys
import dlpipe

def greet(words):
    """Greet somebody.

    Politely.
    """
    parser = argparse.ArgumentParser("python -m dlpipe greet")
    parser.add_argument("name")
    name = parser.parse_args(words).name
    if name == "nobody":
        raise dlpipe.DlpipeError("nobody cannot be greeted; name somebody")
    if name == "exit":
        sys.exit("gone")
    print(f"hello {name}", "torch" in sys.modules)
    return 3 if name == "three" else None

not_a_function = "greet"
'''


@pytest.fixture
def greet(install):
    install(
        "dlpipe-acme",
        {"greet": "acme_greet:greet", "wrong": "acme_greet:not_a_function"},
        {"acme_greet.py": GREET},
        kind="verbs",
    )


def test_a_verb_gets_its_words_and_gives_the_exit_code(greet, capsys):
    assert (main(["greet", "you"]), main(["acme/greet", "three"])) == (0, 3)
    assert capsys.readouterr().out.splitlines()[0].startswith("hello you")


def test_a_verb_needs_no_torch(greet):
    done = subprocess.run([sys.executable, "-m", "dlpipe", "greet", "you"], capture_output=True, text=True, check=True)
    assert done.stdout == "hello you False\n"


def test_what_a_verb_refuses_is_one_line_and_exit_code_2(greet, capsys):
    assert main(["greet", "nobody"]) == 2
    assert capsys.readouterr().err == "dlpipe: nobody cannot be greeted; name somebody\n"


def test_wrong_arguments_give_argparses_usage_and_exit_code_2(greet, capsys):
    assert main(["greet", "--loud", "you"]) == 2
    assert "unrecognized arguments: --loud" in capsys.readouterr().err


def test_a_verb_that_exits_with_a_message_prints_it(greet, capsys):
    assert main(["greet", "exit"]) == 1
    assert capsys.readouterr().err == "gone\n"


def test_help_has_the_first_line_of_the_docstring_and_imports_nothing(greet, capsys):
    sys.modules.pop("acme_greet", None)
    assert main(["--help"]) == 0
    (line,) = [line for line in capsys.readouterr().out.splitlines() if "python -m dlpipe greet" in line]
    assert line.split(maxsplit=4)[4] == "Greet somebody."
    assert "acme_greet" not in sys.modules


@pytest.mark.parametrize("words", [["greet", "-h"], ["help", "greet"], ["-cd", ".", "greet", "--help"]])
def test_help_of_a_verb_is_its_own(words, greet, capsys):
    assert main(words) == 0
    assert "usage: python -m dlpipe greet" in capsys.readouterr().out


def test_a_misspelt_verb_of_a_plugin_is_corrected(greet, capsys):
    assert main(["gret"]) == 2
    assert "did you mean 'greet'?" in capsys.readouterr().err


def test_list_and_doctor_show_verbs(greet, capsys):
    assert main(["list"]) == 0
    assert "greet" in capsys.readouterr().out.partition("verbs\n")[2]
    main(["doctor"])
    assert "verb 'greet' (acme_greet:greet, from dlpipe-acme 1.0)" in capsys.readouterr().out


def test_what_is_no_function_is_named(greet, capsys):
    assert main(["wrong"]) == 2
    assert "is 'greet', not a function of the words after the verb" in capsys.readouterr().err


def test_a_verb_of_two_plugins_is_typed_with_the_plugins_name(greet, install, capsys):
    install("dlpipe-other", {"greet": "acme_greet:greet"}, {}, kind="verbs")
    assert main(["greet", "you"]) == 2
    assert "say which: acme/greet or other/greet" in capsys.readouterr().err
    assert main(["other/greet", "you"]) == 0
    assert main(["--help"]) == 0
    assert "python -m dlpipe other/greet" in capsys.readouterr().out


def test_a_verb_of_dlpipe_stays_its_own(install, capsys):
    install("dlpipe-acme", {"list": "acme_greet:greet"}, {"acme_greet.py": GREET}, kind="verbs")
    assert main(["list"]) == 0
    assert capsys.readouterr().out.startswith("models\n")
    assert main(["acme/list", "you"]) == 0
    assert main(["doctor"]) == 1
    assert "has the name of a verb of dlpipe; choose it with acme/list" in capsys.readouterr().out


def test_a_denied_verb_is_not_run(greet, monkeypatch, capsys):
    monkeypatch.setenv("DLPIPE_PLUGINS", "-acme")
    assert main(["greet", "you"]) == 2
    assert "is denied by DLPIPE_PLUGINS=-acme" in capsys.readouterr().err


def test_a_verb_that_cannot_be_imported_says_why(install, capsys):
    install(
        "dlpipe-acme", {"greet": "acme_greet:greet"}, {"acme_greet.py": "import nothing_of_that_name"}, kind="verbs"
    )
    assert main(["greet"]) == 2
    assert "cannot be imported: ModuleNotFoundError: No module named 'nothing_of_that_name'" in capsys.readouterr().err


def test_the_verb_of_the_tutorial_prints_the_norms_of_a_run(cli, install, capsys):
    from pathlib import Path

    source = Path(__file__).parents[1] / "acme_plugin" / "dlpipe_acme" / "norms.py"
    install("dlpipe-acme", {"norms": "acme_norms:norms"}, {"acme_norms.py": source.read_text()}, kind="verbs")
    run_dir = cli("model=logreg", "recipe.max_epochs=1").run_dir
    assert main(["norms", str(run_dir)]) == 0
    printed = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert [name for name, _ in printed] == ["linear.weight", "linear.bias"]
    assert all(float(norm) > 0 for _, norm in printed)
