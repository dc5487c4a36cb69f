"""What a run prints costs it nothing where nobody reads."""

import logging

from dlpipe.cli.console import ConsoleHandler


def test_a_reader_that_has_gone_does_not_end_a_run(monkeypatch):
    def gone(*arguments, **options):
        raise BrokenPipeError

    monkeypatch.setattr("builtins.print", gone)
    ConsoleHandler().emit(logging.makeLogRecord({"msg": "epoch 1"}))
