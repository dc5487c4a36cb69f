"""The benchmarks: each variant for a moment, what is compared, and the tables."""

import dataclasses
import gzip
import importlib
import json
import os
import pickle
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import pytest
import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader

from dlpipe.config.checks import config_checks
from dlpipe.data import SequenceBatch
from dlpipe.plugins import registry
from dlpipe.training.build import build_dataset, build_model
from dlpipe.training.optimizers.attach import attach_optimizer
from dlpipe.training.quiet import quiet_lightning

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
DATA = Path(os.environ.get("DLPIPE_DATA", "/nowhere"))
needs_mnist = pytest.mark.skipif(not (DATA / "mnist").is_dir(), reason="needs MNIST in $DLPIPE_DATA")
needs_atis = pytest.mark.skipif(not (DATA / "atis").is_dir(), reason="needs ATIS in $DLPIPE_DATA")
# its hints are what its users see
its_hints = pytest.mark.filterwarnings("ignore")
lightning = pytest.param("logreg600", "lightning", marks=its_hints)


@pytest.fixture
def script(monkeypatch):
    """Import a script of benchmarks/ by its name."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module


@pytest.fixture
def fresh(cli, install, monkeypatch, tmp_path):
    """The state of a new process: Hydra not started, no plugin looked for yet."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["one_run.py"])
    registry.all_entries.cache_clear()


@needs_mnist
@pytest.mark.parametrize(
    ("case", "variant"),
    [
        ("logreg600", "plain"),
        pytest.param("logreg600", "compiled", marks=its_hints),
        ("logreg600", "dataloader"),
        lightning,
        ("logreg600", "dlpipe"),
        ("logreg600", "dlpipe, K = 1"),
        ("third_party", "plain"),
        ("third_party_clipped", "by hand"),
        ("third_party_clipped", "dlpipe"),
        ("mlp_momentum", "dlpipe"),
    ],
)
def test_a_variant_is_measured(case, variant, script, fresh, capsys):
    measured(case, variant, script, capsys)


@pytest.mark.parametrize(
    "name",
    [
        *("logreg600", "mlp", "mlp_momentum", "mlp_adam", "third_party", "third_party_clipped", "lenet", "lenet_adam"),
        *("da", "ca", "sda_pretrain", "sda_finetune", "rbm", "dbn_pretrain", "dbn_finetune"),
        *("rnn_rbm", "rnn_slu", "lstm"),
    ],
)
def test_derivatives_by_hand_give_the_weights_of_the_plain_loop(name, script, monkeypatch):
    networks, loops, by_hand = script("networks"), script("loops"), script("by_hand")
    case = script("cases").CASES[name]
    # the same random numbers
    monkeypatch.setattr(torch, "bernoulli", lambda mean: (torch.rand_like(mean) < mean).to(mean.dtype))
    updates = 1 if case.model == "dbn" and case.stage != "finetune" else 4  # by hand, CD draws fewer random numbers
    weights, watched = [], []
    for train in ("plain", "by hand"):
        torch.manual_seed(1)
        net = networks.network(case.model, case.stage).double()  # Adam divides by gradients that may be rounding alone
        batches = [minibatch(case) for _ in range(updates)]
        if train == "plain":
            loops.train_epoch(net, networks.optimizer(net, case), case, batches)
        else:
            with torch.no_grad():
                update = by_hand.update_of(net, case)
                for x, y in batches:
                    update(x, y)
        weights.append([parameter.detach() for parameter in net.parameters()])
        watched.append(getattr(net, "watched", torch.zeros(())))
    for plain, own in zip(*weights, strict=True):
        torch.testing.assert_close(own, plain, rtol=0, atol=1e-9)
    torch.testing.assert_close(*watched, rtol=1e-9, atol=1e-9)


def minibatch(case):
    """Random numbers of the case's kind: a few examples, or one sequence."""
    if case.model == "rnn_rbm":
        return torch.randint(2, (7, 88)).double(), torch.empty(0)
    if case.model == "rnn_slu":
        return torch.randint(1, 570, (9,)), torch.randint(127, (9,))
    if case.model == "lstm":
        return torch.randint(1, 99, (3, 6)) * (torch.arange(6) < torch.tensor([[6], [1], [4]])), torch.randint(2, (3,))
    count = 70 if case.model == "lenet" else 20  # by hand, maps of 50 images at once
    return torch.rand(count, 784).double(), torch.randint(10, (count,))


def measured(case, variant, script, capsys):
    script("one_run").main([case, variant, "1", "--most-updates", "3"])
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (found.pop("case"), found.pop("variant"), found.pop("threads")) == (case, variant, 1)
    assert found.pop("updates") == 3
    assert sorted(found) == ["examples_per_second", "microseconds_per_update", "peak_mib"]
    assert min(found.values()) > 0


@needs_atis
@pytest.mark.parametrize("variant", ["plain", "dlpipe"])
def test_slot_filling_is_measured(variant, script, fresh, capsys):
    measured("rnn_slu", variant, script, capsys)


@pytest.mark.parametrize("variant", ["plain", pytest.param("lightning", marks=its_hints), "dlpipe"])
def test_the_lstm_is_measured(variant, few_reviews, script, fresh, capsys):
    measured("lstm", variant, script, capsys)


@pytest.fixture
def few_reviews(tmp_path_factory, monkeypatch):
    """IMDB's pickles, in $DLPIPE_DATA: 60 short reviews to train and to validate on and 20 too long, 500 to test."""
    generator = torch.Generator().manual_seed(1)

    def reviews(count):
        lengths = torch.randint(1, 9, (count,), generator=generator)
        lengths[::4] = 100
        words = [torch.randint(2, 10_500, (length,), generator=generator).tolist() for length in lengths.tolist()]
        return words, [row % 2 for row in range(count)]

    folder = tmp_path_factory.mktemp("data")
    (folder / "imdb").mkdir()
    numbers = {f"word{number}": number for number in range(2, 10_500)}
    for name, contents in (("imdb.pkl.gz", (reviews(80), reviews(500))), ("imdb.dict.pkl.gz", (numbers,))):
        with gzip.open(folder / "imdb" / name, "wb") as file:
            for content in contents:
                pickle.dump(content, file, protocol=2)
    monkeypatch.setenv("DLPIPE_DATA", str(folder))


def test_a_core_without_the_key_skips_one_variant_and_no_other(script, monkeypatch, tmp_path):
    one_run, case = script("one_run"), script("cases").CASES["mlp"]

    def refuse(*arguments):
        raise one_run.RefusedError

    monkeypatch.setattr(one_run, "dlpipe", refuse)
    assert "the core refuses" in one_run.measure(case, "dlpipe, K = 1", 1, "cpu", tmp_path)["skipped"]
    with pytest.raises(one_run.RefusedError):
        one_run.measure(case, "dlpipe", 1, "cpu", tmp_path)


@needs_mnist
def test_the_phases_of_a_short_run_add_up_to_the_time_it_took(script, tmp_path):
    started = time.time()
    command = [sys.executable, BENCHMARKS / "start_up.py"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    took = time.time() - started
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    start_up = script("start_up")
    assert list(found) == [start_up.FLOOR, *start_up.PHASES, *start_up.SUMS]
    assert min(found.values()) > 0
    assert 0.7 * took < found[start_up.FLOOR] + found["all"] <= took
    to_first, after, everything = (found[name] for name in start_up.SUMS)
    assert to_first + found["training"] + after == pytest.approx(everything)
    assert list(tmp_path.iterdir()) == []


def test_a_short_run_names_the_package_that_lightning_cli_needs(script, monkeypatch):
    monkeypatch.setattr(script("short_run"), "find_spec", lambda name: None)
    with pytest.raises(SystemExit, match=r"needs jsonargparse: pip install 'jsonargparse\[signatures\]"):
        script("short_run").main([])


def test_rounds_of_short_runs_become_medians_and_ranges(script, monkeypatch, tmp_path, capsys):
    short_run = script("short_run")
    seconds = iter(range(1, 16))
    monkeypatch.setattr(short_run, "find_spec", lambda name: name)
    monkeypatch.setattr(short_run, "measure", lambda row, python: [float(next(seconds))] * 4)
    page = tmp_path / "page.md"
    page.write_text("<!-- table -->\n<!-- /table -->\n")
    short_run.main(["--rounds=3", f"--before={sys.executable}", f"--page={page}"])
    printed = capsys.readouterr().out.strip()
    assert "Medians of 3 rounds (least to most). Seconds." in printed.splitlines()[0]
    assert "| import torch, pytorch_lightning | 6.00 (1.00 to 11.00) |" in printed
    assert "| LightningCLI, fit and test | 9.00 (4.00 to 14.00) |" in printed
    assert printed.endswith("beyond the imports: 0.25 (0.25 to 0.25) of the time before.")
    assert page.read_text() == f"<!-- table -->\n{printed}\n<!-- /table -->\n"


@needs_mnist
def test_a_short_run_of_dlpipe_is_measured_from_the_command_to_the_prompt(script):
    short_run = script("short_run")
    *phases, total = short_run.measure("dlpipe")
    assert min(phases) > 0
    assert sum(phases) == pytest.approx(total)
    imports, training, _, _ = short_run.measure(short_run.IMPORTS)
    assert imports > 0
    assert training == 0


@needs_mnist
def test_an_update_is_profiled_in_the_plain_loop_and_in_dlpipe(script, fresh, capsys):
    script("profile_update").main(["--model", "logreg600", "--updates", "60"])
    plain, by_hand, operations, functions = capsys.readouterr().out.rpartition("own time")[2].split("**\n\n")[1:]
    assert "| `aten::addmm` | 1.00 |" in plain
    assert "| `aten::addmm_` | 1.00 |" in by_hand
    assert "| `aten::addmm` | 1.00 |" in operations
    assert "speed/updates.py" in functions
    assert "run_backward" not in functions


@pytest.mark.parametrize(("case", "model"), [("logreg600", "logreg"), ("mlp", "mlp"), ("lenet", "lenet")])
def test_what_is_compared_is_the_model_with_its_recipe(case, model, script):
    own = script("cases").CASES[case]
    ((_, cfg),) = config_checks.check([f"model={model}", "dataset=mnist"], False, "run")
    assert (own.lr, own.batch_size, own.l2) == (cfg.recipe.lr, cfg.recipe.batch_size, cfg.model.get("l2", 0))
    by_hand, ours = script("networks").network(model).parameters(), build_model(cfg)[0].parameters()
    for one, other in zip(by_hand, ours, strict=True):
        assert one.shape == other.shape
        # both from U[-a, a], or all zero
        assert float(one.detach().abs().mean()) == pytest.approx(float(other.detach().abs().mean()), rel=0.2)


@needs_mnist
@pytest.mark.parametrize("name", ["sda_pretrain", "sda_finetune", "dbn_pretrain", "dbn_finetune", "rbm", "ca"])
def test_a_case_asks_for_so_many_updates_of_its_stage(name, script):
    case = script("cases").CASES[name]
    ((_, cfg),) = config_checks.check(script("through_dlpipe").request(case), False, "run")
    recipe = {**cfg.recipe, **cfg.recipe.stages.get("pretrain", {})} if name.endswith("_pretrain") else cfg.recipe
    assert (recipe["max_epochs"], recipe["patience"], recipe["lr"]) == (case.epochs, None, case.lr)
    assert (cfg.recipe.batch_size, cfg.trainer.limit_train_batches) == (case.batch_size, case.updates)


def test_what_is_compared_is_the_recurrent_network_with_its_recipe(recurrent):
    own, cfg = recurrent.case, recurrent.cfg
    assert own.lr == (cfg.recipe.lr if own.optimizer == "SGD" else cfg.optimizer.lr)
    assert own.batch_size == cfg.recipe.batch_size
    assert own.l2 == cfg.model.get("l2", 0)


def test_updates_by_hand_give_the_weights_that_dlpipes_give(recurrent, script):
    case, by_hand, ours = recurrent.case, recurrent.by_hand.double(), recurrent.ours.double()
    draw = torch.Generator().manual_seed(3)
    examples = [
        (torch.randint(1, 570, (length,), generator=draw), labels(case, length, draw))
        for _ in range(case.batch_size)
        for length in (5, 1, 9)
    ]
    pairs = list(script("sequences").minibatches(examples, case.batch_size))
    before = {name: weight.clone() for name, weight in by_hand.state_dict().items()}

    torch.manual_seed(4)  # of dropout
    attach_optimizer(ours, recurrent.cfg.optimizer, recurrent.cfg.scheduler, None)
    with quiet_lightning():
        trainer = pl.Trainer(accelerator="cpu", max_epochs=2, **BARE)
        theirs = [batch(case, *pair) for pair in pairs]
        trainer.fit(ours, DataLoader(theirs, batch_size=None, generator=torch.Generator()))  # not torch's, as dropout
    torch.manual_seed(4)
    optimizer = script("networks").optimizer(by_hand, case)
    for _ in range(2):
        script("loops").train_epoch(by_hand, optimizer, case, pairs)

    found, wanted = by_hand.state_dict(), as_by_hand(case, ours.state_dict())
    assert found.keys() == wanted.keys()
    for name, weight in wanted.items():
        torch.testing.assert_close(found[name], weight, rtol=1e-10, atol=1e-14, msg=name)
        assert name == "lstm.bias_hh_l0" or not torch.equal(weight, before[name])


BARE = {
    "logger": False,
    "enable_checkpointing": False,
    "enable_progress_bar": False,
    "enable_model_summary": False,
}


class Recurrent(NamedTuple):
    """A network over words by hand and in dlpipe, with the same weights."""

    case: object
    cfg: object
    by_hand: torch.nn.Module
    ours: pl.LightningModule


@pytest.fixture(params=["rnn_slu", "lstm"])
def recurrent(request, script):
    case = script("cases").CASES[request.param]
    ((_, cfg),) = config_checks.check([f"model={case.model}", f"dataset={case.dataset}", *case.overrides], False, "run")
    torch.manual_seed(5)
    by_hand, ours = script("networks").network(case.model), build_model(cfg)[0]
    scales = [weight.detach().abs().mean() for weight in by_hand.state_dict().values()]
    by_hand.load_state_dict(as_by_hand(case, ours.state_dict()))
    # both are drawn from the same distribution
    for weight, scale in zip(by_hand.state_dict().values(), scales, strict=True):
        torch.testing.assert_close(weight.detach().abs().mean(), scale, rtol=0.2, atol=0)
    return Recurrent(case, cfg, by_hand, ours)


def as_by_hand(case, weights):
    """The weights of dlpipe's module by the names, and in the shapes, of the one by hand."""
    if case.model == "lstm":
        return weights
    names = {
        "embeddings": "embeddings.weight",
        "weight_in": "below.weight",
        "bias_in": "below.bias",
        "weight_recurrent": "recurrent",
        "initial": "initial",
        "weight_out": "out.weight",
        "bias_out": "out.bias",
    }
    turned = ("weight_in", "weight_out")  # torch's linear layers have a row for each output
    return {names[name]: weight.t() if name in turned else weight for name, weight in weights.items()}


def labels(case, length, generator):
    """Of each word, or of a review."""
    return torch.randint(0, *((127, (length,)) if case.model == "rnn_slu" else (2, ())), generator=generator)


def batch(case, x, y):
    """What dlpipe makes of a minibatch."""
    if case.model == "rnn_slu":
        return SequenceBatch(x.unsqueeze(0), y.unsqueeze(0), torch.tensor([len(x)]))
    return SequenceBatch(x, y, (x != 0).sum(1))


@pytest.mark.parametrize("case", [pytest.param("rnn_slu", marks=needs_atis), "lstm"])
def test_a_loop_by_hand_sees_the_minibatches_that_dlpipe_sees(case, few_reviews, script, monkeypatch):
    if case == "rnn_slu":
        monkeypatch.setenv("DLPIPE_DATA", str(DATA))
    own = dataclasses.replace(script("cases").CASES[case], most_updates=None)
    chosen = [f"model={own.model}", f"dataset={own.dataset}", "recipe.shuffle=false", *own.overrides]
    ((_, cfg),) = config_checks.check(chosen, False, "run")
    data = build_dataset(cfg.dataset)
    data.prepare_data()
    data.setup("fit")
    ours = list(data.train_dataloader())
    assert len(ours) == (own.num_examples if case == "rnn_slu" else 4)
    for by_hand, theirs in zip(script("loops").minibatches(own)(), ours, strict=True):
        assert all(map(torch.equal, batch(own, *by_hand), theirs))


# --- the tables

MACHINE = {
    "cpu": "Z80",
    "gpu": "",
    "cores": 2,
    "python": "3.10",
    "torch": "2.4",
    "lightning": "2.6",
    "date": "2026-01-01",
}


def result(case, variant, threads, rate):
    """What one_run.py prints."""
    numbers = {"updates": 10, "microseconds_per_update": 2e7 / rate, "examples_per_second": rate, "peak_mib": 99.6}
    return {"case": case, "variant": variant, "threads": threads, **numbers}


@pytest.fixture
def child(script, monkeypatch):
    """In place of processes: numbers that depend on variant and round."""
    rates = {"plain": iter([1000, 2000, 4000]), "lightning": iter([500, 1000, 1000]), "by hand": iter([900, 3000, 9])}

    def run(name, *arguments, python=sys.executable):
        if name == "start_up.py":
            return {"imports": 2.0, "all": 3.0}
        case, variant, threads, device = arguments
        assert device == "--device=cpu"
        if variant.startswith("dlpipe, "):
            return {"case": case, "variant": variant, "threads": int(threads), "skipped": "refused"}
        rate = next(rates[variant]) if variant in rates else 1500 if python == sys.executable else 1200
        return result(case, variant, int(threads), rate)

    monkeypatch.setattr(script("throughput"), "child", run)
    monkeypatch.setattr(script("throughput"), "machine", lambda device: MACHINE)


def test_rounds_become_medians_ratios_and_ranges(script, child, tmp_path, capsys):
    files = [f"--json={tmp_path}/found.json", f"--markdown={tmp_path}/tables.md"]
    script("throughput").main(["--models=mlp", "--rounds=3", "--threads=1", "--neighbour", *files])
    message = capsys.readouterr().out
    for line in (
        "Z80, 2 cores; Python 3.10, torch 2.4, Lightning 2.6; 2026-01-01. Medians of 3 rounds (least to most).",
        "**1 thread**",
        "| mlp, batch 20 | plain | 10,000 (5,000 to 20,000) | 2,000 (1,000 to 4,000) | 1.00 (1.00 to 1.00)"
        " | 2.00 (2.00 to 4.00) | 0.67 (0.67 to 2.67) | 100 |",
        # the ratio is taken within a round, before the median
        "| mlp, batch 20 | lightning | 20,000 (20,000 to 40,000) | 1,000 (500 to 1,000) | 0.50 (0.25 to 0.50)"
        # the limit is the faster of derivatives by hand and `torch.compile` in that round
        " | 1.00 (1.00 to 1.00) | 0.33 (0.33 to 0.67) | 100 |",
        "| mlp, batch 20 | dlpipe, K = 1 | skipped: refused |  |  |  |  |  |",
        "| mlp, batch 20 | 1 | 1,500 (1,500 to 1,500) | 1,500 (1,500 to 1,500) | 1.00 (1.00 to 1.00) |",
        "| all | 3.00 (3.00 to 3.00) |",
    ):
        assert line in message.splitlines()
    assert (tmp_path / "tables.md").read_text() == message
    found = json.loads((tmp_path / "found.json").read_text())
    assert sorted(found) == ["machine", "measurements", "rounds", "start_up"]
    assert len(found["measurements"]) == 3 * 8  # a round: seven variants, and dlpipe beside a neighbour
    assert [m["round"] for m in found["measurements"] if m["neighbour"]] == [0, 1, 2]


def test_files_of_several_rounds_become_one_table(script, tmp_path, capsys):
    report, files = script("report"), []
    for number, (case, rates) in enumerate([("da", (900,)), ("mlp", (1000, 2000)), ("mlp", (4000,))]):
        measured = [
            {**result(case, variant, 1, rate * factor), "round": index, "neighbour": False}
            for index, rate in enumerate(rates)
            for variant, factor in (("plain", 1), ("dlpipe", 1 + number))
        ]
        own = {"machine": MACHINE, "rounds": len(rates), "measurements": measured, "start_up": [{"all": 1.0 + number}]}
        files.append(tmp_path / f"{number}.json")
        files[-1].write_text(json.dumps(own))
    page = tmp_path / "page.md"
    page.write_text("<!-- table -->\n<!-- /table -->\n")
    report.main([*map(str, files), f"--page={page}"])
    printed = capsys.readouterr().out
    assert printed.strip() in page.read_text()
    assert "Medians of 1 to 3 rounds" in printed
    cases = [line.split("|")[1].strip() for line in printed.splitlines() if "| dlpipe |" in line]
    assert cases == ["mlp, batch 20", "da, batch 20"]  # the order of the cases
    assert "| mlp, batch 20 | plain | 10,000 (5,000 to 20,000) | 2,000 (1,000 to 4,000) |" in printed
    assert "| 4,000 (2,000 to 12,000) | 2.00 (2.00 to 3.00) |" in printed  # dlpipe's, beside plain of the same round
    assert "| all | 2.00 (1.00 to 3.00) |" in printed


def test_files_of_two_machines_are_not_merged(script, tmp_path):
    files = [tmp_path / "a.json", tmp_path / "b.json"]
    for path, cpu in zip(files, ("Z80", "6502"), strict=True):
        path.write_text(json.dumps({"machine": {**MACHINE, "cpu": cpu}, "measurements": [], "start_up": []}))
    with pytest.raises(SystemExit, match="the files are of several machines or versions"):
        script("report").main([*map(str, files)])


@pytest.mark.parametrize("content", [None, "[1", "[]", "3"])
def test_a_file_that_holds_no_measurements_is_named(content, script, tmp_path, capsys):
    path = tmp_path / "found.json"
    if content:
        path.write_text(content)
    with pytest.raises(SystemExit):
        script("report").main([str(path)])
    assert re.search("argument files: .*found.json: |No such file", capsys.readouterr().err)


def test_chosen_variants_alone_are_measured(script, child, tmp_path):
    words = [
        "--models=mlp",
        "--rounds=1",
        "--threads=1",
        "--variants=plain; dlpipe, K = 1",
        f"--json={tmp_path}/found.json",
    ]
    script("throughput").main(words)
    found = json.loads((tmp_path / "found.json").read_text())
    assert [measurement["variant"] for measurement in found["measurements"]] == ["plain", "dlpipe, K = 1"]


def test_an_older_dlpipe_is_measured_with_a_python_of_its_own(script, child, tmp_path, monkeypatch):
    monkeypatch.setattr(script("throughput"), "interpreter", str)
    words = ["--models=mlp", "--rounds=1", "--threads=1", "--variants=plain;dlpipe", "--before=older/bin/python"]
    script("throughput").main([*words, f"--json={tmp_path}/found.json"])
    found = json.loads((tmp_path / "found.json").read_text())["measurements"]
    rates = {measurement["variant"]: measurement["examples_per_second"] for measurement in found}
    assert rates == {"plain": 1000, "dlpipe": 1500, "dlpipe before": 1200}


@pytest.mark.parametrize(("content", "message"), [(None, "does not start"), ("exit 1", "has no dlpipe")])
def test_a_python_without_dlpipe_is_refused_before_anything_is_measured(content, message, script, tmp_path, capsys):
    python = tmp_path / "python"
    if content:
        python.write_text(f"#!/bin/sh\necho No module named dlpipe >&2\n{content}\n")
        python.chmod(0o755)
    with pytest.raises(SystemExit):
        script("throughput").parse([f"--before={python}"])
    assert message in capsys.readouterr().err


def test_the_machine_is_named_with_its_instruction_set(script):
    assert script("throughput").machine("cpu")["cpu"].endswith(f" ({torch.backends.cpu.get_cpu_capability()})")


def test_a_variant_that_is_none_is_named(script, capsys):
    with pytest.raises(SystemExit):
        script("throughput").parse(["--variants=plain;fast"])
    assert "no variant fast; there are plain; compiled;" in capsys.readouterr().err


def test_what_stands_between_the_markers_is_replaced(script, tmp_path):
    path = tmp_path / "README.md"
    path.write_text("before\n<!-- table -->\nold\n<!-- /table -->\nafter\n")
    for table in ("| first |", "| second |"):
        script("report").write_between_markers(path, table)
        assert path.read_text() == f"before\n<!-- table -->\n{table}\n<!-- /table -->\nafter\n"


def test_a_file_without_the_markers_is_refused(script, tmp_path):
    path = tmp_path / "README.md"
    path.write_text("<!-- table -->\n")
    with pytest.raises(ValueError, match="must have <!-- table --> and <!-- /table --> once each"):
        script("report").write_between_markers(path, "")


def test_a_page_without_the_markers_is_refused_before_anything_is_measured(script, tmp_path, capsys):
    path = tmp_path / "README.md"
    path.write_text("<!-- table -->\n")
    for wrong, message in ((path, "once each"), (tmp_path / "missing.md", "No such file")):
        with pytest.raises(SystemExit):
            script("throughput").parse([f"--page={wrong}"])
        assert message in capsys.readouterr().err


@pytest.mark.parametrize("wrong", ["--rounds=0", "--threads=1,x", "--json=/nowhere/x.json", "--markdown=/nowhere/x.md"])
def test_what_cannot_be_measured_or_written_is_refused_before_anything_is_measured(script, capsys, wrong):
    with pytest.raises(SystemExit):
        script("throughput").parse([wrong])
    assert re.search("is no whole number from 1|/nowhere is no folder", capsys.readouterr().err)


def test_the_pages_have_the_markers_and_name_every_case_and_variant(script):
    text = (BENCHMARKS / "README.md").read_text()
    for page in ("README.md", "gpu.md", "short_run.md", "threads.md"):
        script("report").between_markers(BENCHMARKS / page)
    cases = script("cases")
    assert [name for name in (*cases.CASES, *cases.VARIANTS) if f"`{name}`" not in text] == []


def test_an_unknown_case_is_refused(script, capsys):
    with pytest.raises(SystemExit):
        script("throughput").parse(["--models", "mlp,perceptron"])
    assert "no case perceptron; there are logreg600, logreg20, mlp" in capsys.readouterr().err


def test_a_measurement_that_fails_ends_the_rounds_with_what_it_said(script):
    with pytest.raises(SystemExit, match="invalid choice: 'perceptron'"):
        script("throughput").child("one_run.py", "perceptron", "plain", "1")


def test_the_busy_process_is_there_and_then_gone(script, monkeypatch):
    started = []
    popen = subprocess.Popen
    monkeypatch.setattr(subprocess, "Popen", lambda *a, **k: started.append(popen(*a, **k)) or started[-1])
    with script("throughput").busy_process():
        assert started[0].poll() is None
    assert started[0].poll() is not None
