"""On two devices: the test is of all sentences, and what one process finds for the same weights."""


def test_the_metrics_are_of_all_sentences(cli):
    small = ("model.embedding_size=6", "model.num_hidden=6", "model.window=3", "recipe.max_epochs=2")
    result = cli("model=rnn_slu", *small, "recipe.batch_size=20", "recipe.lr=1", "trainer=ddp", "trainer.devices=2")
    assert result.code == 0, result.err
    tested = cli("test", str(result.run_dir))
    assert tested.code == 0, tested.out
    assert "test f1" in tested.out
