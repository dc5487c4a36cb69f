"""All checks of the plugin contract, and the cases that they make: each check of each model and dataset."""

import contextlib
import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from packaging.utils import canonicalize_name

from dlpipe.did_you_mean import did_you_mean
from dlpipe.errors import PluginError, format_list
from dlpipe.plugins import registry
from dlpipe.testing import class_checks, dataset_checks, model_checks, prediction_checks, same_numbers
from dlpipe.testing.result import Broken, NotApplicable
from dlpipe.testing.subject import Subject, unchanged_process

Check = Callable[[Subject], Any]
OF_BOTH: tuple[Check, ...] = (
    class_checks.built_on_pytorch_lightning,
    class_checks.has_a_docstring,
    class_checks.listing_imports_no_plugin,
)
OF_MODEL: tuple[Check, ...] = (
    *OF_BOTH,
    model_checks.options_are_arguments,
    model_checks.every_step_runs,
    model_checks.training_changes_the_weights,
    model_checks.loss_falls,
    model_checks.monitored_metric_is_logged,
    model_checks.targets_are_logged,
    model_checks.weights_are_restored,
    prediction_checks.predictions_are_of_examples,
    same_numbers.same_seed_same_bits,
    same_numbers.chunks_same_bits,
    same_numbers.fused_same_numbers,
    same_numbers.resumed_same_bits,
    same_numbers.two_processes_same_numbers,
)
OF_DATASET: tuple[Check, ...] = (
    *OF_BOTH,
    dataset_checks.dataset_options_are_arguments,
    dataset_checks.splits_are_as_stated,
    dataset_checks.same_seed_same_order,
)


@dataclass(frozen=True)
class Case:
    """One check of one model or dataset."""

    subject: Subject
    check: Check

    @property
    def name(self) -> str:
        """The name of the check."""
        return self.check.__name__

    def __str__(self) -> str:
        return f"{self.subject.name}/{self.name}"

    def run(self) -> None:
        """Check it.

        Raises:
            Broken: the plugin breaks the contract.
            NotApplicable: the check does not apply, or cannot be done before another one passes.
        """
        try:
            with unchanged_process():
                self.check(self.subject)
        except Broken as error:
            if error.check == self.name:
                raise
            raise NotApplicable(f"not checked while {error.check} fails") from error


def cases_of(subject: Subject) -> list[Case]:
    """All checks of a model or dataset."""
    return [Case(subject, check) for check in (OF_MODEL if subject.kind == "model" else OF_DATASET)]


def cases_of_distribution(distribution: str, overrides: Mapping[str, Sequence[str]]) -> list[Case]:
    """All checks of all models and datasets that a distribution registers.

    Args:
        distribution: ``dlpipe-acme``, or ``acme``.
        overrides: by name of a model or dataset.

    Raises:
        PluginError: there is no such distribution, or it registers no such name.
    """
    name = canonicalize_name(distribution)
    entries = [entry for kind in registry.KINDS for entry in registry.available(kind)]
    own = [entry for entry in entries if name in (entry.distribution, entry.owner)]
    if not own:
        owners = sorted({entry.distribution for entry in entries})
        raise PluginError(f"no plugin {distribution!r}; {did_you_mean(name, owners)}installed: {format_list(owners)}")
    names = [entry.name for entry in own]
    for unknown in overrides.keys() - set(names):
        message = f"{distribution} registers no {unknown!r}; {did_you_mean(unknown, names)}it registers"
        raise PluginError(f"{message} {format_list(names)}")
    imported = functools.cache(lambda: class_checks.imported_by_listing(own))
    subjects = [Subject(entry.kind, _typed_name(entry), overrides.get(entry.name, ()), imported) for entry in own]
    return [case for subject in subjects for case in cases_of(subject)]


def _typed_name(entry: registry.PluginEntry) -> str:
    """What to type for an entry: its name, unless another plugin registers it too."""
    is_unique = sum(other.name == entry.name for other in registry.available(entry.kind)) == 1
    return entry.name if is_unique else entry.qualified_name


def check_in_one_process(name: str, overrides: Sequence[str]) -> None:
    """Check a model by all checks but the one that needs two processes.

    Raises:
        Broken: the first that the model breaks.
    """
    imported = functools.cache(lambda: class_checks.imported_by_listing([registry.find("model", name)]))
    for case in cases_of(Subject("model", name, overrides, imported)):
        if case.check is not same_numbers.two_processes_same_numbers:
            with contextlib.suppress(NotApplicable):
                case.run()
