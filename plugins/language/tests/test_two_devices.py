"""On two devices: the test is of all sentences, and what one process finds for the same weights."""

import pytest


@pytest.mark.slow
def test_the_metrics_are_of_all_sentences(cli):
    small = ("model.embedding_size=10", "model.num_hidden=20", "model.window=3", "recipe.max_epochs=3")
    result = cli("model=rnn_slu", *small, "recipe.batch_size=3", "recipe.lr=0.5", "trainer=ddp", "trainer.devices=2")
    assert result.code == 0, result.err
    tested = cli("test", str(result.run_dir))
    assert tested.code == 0, tested.out
    (line,) = (line for line in tested.out.splitlines() if line.startswith("test f1"))
    assert float(line.split()[2].rstrip(":")) > 0.1
