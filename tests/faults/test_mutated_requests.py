"""Command lines with chance in them: both passes of checks tell every problem, and let nothing happen."""

import random

import pytest

pytestmark = pytest.mark.timeout(300)
VALID = """
    model=logreg model=mlp model=supervised/lenet dataset=digits dataset=mnist optimizer=adam optimizer=cg
    scheduler=step scheduler=plateau trainer=ddp recipe.lr=0.05 recipe.batch_size=20 recipe.max_epochs=3
    recipe.shuffle=true recipe.significance=0.05 recipe.monitor=val/loss recipe.targets=[] optimizer.lr=0.1
    optimizer.betas=[0.9,0.99] optimizer._target_=torch.optim.SGD scheduler.interval=step model.num_hidden=50
    model.num_maps=[4,8] model.num_classes=${dataset.num_classes} dataset.image_shape=[1,28,28] dataset.directory=/a
    seed=7 threads=1 resume=auto stages=null hydra.run.dir=out trainer.devices=1 trainer.precision=64-true
    trainer.limit_train_batches=0.5 +trainer.fast_dev_run=true ~callbacks.progress_bar ~callbacks.checkpoints
    trainer.strategy={_target_:pytorch_lightning.strategies.DDPStrategy} callbacks.checkpoints.every_minutes=3
    +callbacks.x._target_=pytorch_lightning.callbacks.EarlyStopping +callbacks.x.monitor=val/loss logger.csv.path=x.csv
"""
PIECES = r"""
    ${ } [ ] { ' " , = + ++ ~ @ ??? null nan -inf 1e400 -1 0 1000000000000 auto true 2.5 {a:1} $${x} # %s \ é ..
    ${oc.env:HOME} ${nope:1} glob(*) range(0,3) range(0,1000000000) range(0,3,0) interval(0,1) shuffle(1,2) cast(3)
    _target_ hydra os.system builtins.exec {_target_:os.mkdir,path:ran} {_target_:builtins.open,file:ran,mode:w}
    !!python/object:os.system
"""
ODD = ("\n", "\0", " ", "9" * 30, "9" * 5000, "a" * 5000, "[" * 500 + "]" * 500)
PARTS = ("x", "_target_", "name", "hydra", "a@b", "")


def another(word, draw):
    """An override with something else in its key, its value, or anywhere."""
    key, _, value = word.partition("=")
    at, piece, valid = draw.randrange(len(word) + 1), draw.choice([*PIECES.split(), *ODD]), draw.choice(VALID.split())
    parts = key.split(".")
    parts.insert(draw.randrange(len(parts) + 1), draw.choice(PARTS))
    forms = (
        word[:at] + piece + word[at:],
        word[:at] + chr(draw.choice([draw.randrange(32, 127), draw.randrange(0x3000)])) + word[at + 1 :],
        word[:at],
        f"{key}={piece}",
        f"{key}={piece}",
        f"{key}={valid.partition('=')[2]}",
        f"{valid.partition('=')[0]}={value}",
        draw.choice(["+", "++", "~"]) + word.lstrip("+~"),
        f"{'.'.join(parts)}={value}",
    )
    return draw.choice(forms)


@pytest.mark.parametrize("numbers", [range(40), pytest.param(range(40, 120), marks=pytest.mark.slow)], ids=str)
def test_a_mutated_request_is_refused_with_every_problem_or_could_be_run(numbers, cli):
    codes = []
    for number in numbers:
        draw = random.Random(number)
        words = draw.sample(VALID.split(), draw.choice([1, 1, 2]))
        words[0] = another(words[0], draw)
        result = cli("check", *(["-m"] if draw.random() < 0.25 else []), *words)
        codes.append(result.code)
        if result.code:
            message = result.err.splitlines()
            assert result.code == 2, (number, result.err)
            assert message[0].endswith("in this request; nothing was run or written:"), (number, result.err)
            assert len("".join(message[1:])) > 10, (number, result.err)
        assert "Traceback" not in result.out + result.err, number
        assert result.written == [], number
    assert codes.count(0) > len(numbers) / 12
    assert codes.count(2) > len(numbers) / 2
