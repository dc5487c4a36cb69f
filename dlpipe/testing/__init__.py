"""The plugin contract as tests, for authors of plugins.

from dlpipe.testing import contract_tests

test_contract = contract_tests("dlpipe-acme")
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any


def contract_tests(distribution: str, overrides: Mapping[str, Sequence[str]] | None = None) -> Callable[[Any], None]:
    """A test function of pytest, with one case for each check of each model and dataset of a plugin.

    ``pytest --dlpipe-plugin acme`` runs the same checks without any file.

    Args:
        distribution: the plugin, such as ``dlpipe-acme`` or ``acme``.
        overrides: for a model or dataset, what to check it with, such as ``{"softmax": ["model.l2=0.001"]}``.

    Raises:
        PluginError: the plugin is not installed, or registers no such model or dataset.
    """
    import pytest

    from dlpipe.testing.cases import Case, cases_of_distribution

    @pytest.mark.parametrize("case", cases_of_distribution(distribution, overrides or {}), ids=str)
    def test_contract(case: Case) -> None:
        run_case(case)

    return test_contract


def run_case(case: Any) -> None:
    """Run one case as a test of pytest: fail with its message, or skip with the reason why it does not apply."""
    import traceback

    import pytest

    from dlpipe.errors import DlpipeError
    from dlpipe.testing.result import Broken, NotApplicable

    try:
        case.run()
    except (NotApplicable, Broken) as error:
        found = error
    else:
        return
    if isinstance(found, Broken):
        cause = found.__cause__
        is_own = cause is not None and not isinstance(cause, DlpipeError)  # raised by the plugin's code
        details = "".join(traceback.format_exception(cause)) if is_own else ""
        pytest.fail(f"{found}\n{details}".rstrip(), pytrace=False)
    pytest.skip(f"does not apply: {found}")


def check_model(name: str, *overrides: str) -> None:
    """Check that a model keeps the plugin contract, by all checks of `contract_tests` that need one process.

    Args:
        name: the model's name, as in ``model=NAME``.
        overrides: as on the command line, such as ``dataset=mnist``; they also override the short runs' length.

    Raises:
        AssertionError: the model breaks the contract; the message says how, and what to do.
    """
    from dlpipe.testing.cases import check_in_one_process

    check_in_one_process(name, overrides)
