"""``pytest --dlpipe-plugin acme``: run the checks of the plugin contract; pytest loads this file in every session."""

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option."""
    parser.getgroup("dlpipe").addoption(
        "--dlpipe-plugin",
        action="append",
        default=[],
        metavar="NAME",
        help="check that the models and datasets of this installed plugin of dlpipe keep the plugin contract",
    )


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> "Generator[None, pytest.CollectReport, pytest.CollectReport]":
    """Add the plugins that the option names to what the session collects."""
    report = yield
    if isinstance(collector, pytest.Session) and report.passed:
        report.result += [
            Plugin.from_parent(collector, name=name, nodeid=f"contract/{name}")
            for name in dict.fromkeys(collector.config.getoption("--dlpipe-plugin"))
        ]
    return report


class Plugin(pytest.Collector):
    """One plugin of dlpipe."""

    def collect(self) -> "Iterator[pytest.Item]":
        """One item for each check of each model and dataset."""
        from dlpipe.errors import PluginError
        from dlpipe.testing.cases import cases_of_distribution

        try:
            cases = cases_of_distribution(self.name, {})
        except PluginError as error:
            raise self.CollectError(str(error)) from error
        for case in cases:
            nodeid = f"contract/{case.subject.name}::{case.name}"
            yield Contract.from_parent(self, name=f"contract/{case}", nodeid=nodeid, case=case)


class Contract(pytest.Item):
    """One check of one model or dataset."""

    def __init__(self, *, case: Any, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.case = case

    def runtest(self) -> None:
        """Run the check."""
        from dlpipe.testing import run_case

        run_case(self.case)

    def reportinfo(self) -> tuple[Any, None, str]:
        """The name, which stands above a failure: there is no file."""
        return self.path, None, self.name
