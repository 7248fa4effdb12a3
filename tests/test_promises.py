"""What the documentation says is so."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

from engine import errors
from engine.counters import Drop
from engine.frames import control, host
from tests.support.readme import configuration_table, split_readme

ROOT = Path(__file__).resolve().parents[1]


def test_the_configuration_table_of_the_readme_is_the_code() -> None:
    assert split_readme()[1] == configuration_table(), "run: python -m tests.support.readme"


@pytest.mark.parametrize(
    "error", [e for _, e in inspect.getmembers(errors, inspect.isclass) if e.__module__ == errors.__name__]
)
def test_every_error_says_who_can_fix_it(error: type[Exception]) -> None:
    assert error.__doc__
    assert issubclass(error, errors.RemoraError)


def test_every_message_between_processes_is_documented() -> None:
    for module in (control, host):
        for name, member in inspect.getmembers(module, inspect.isclass):
            if member.__module__ == module.__name__:
                assert member.__doc__, name


def test_drop_reasons_fit_the_column_of_decode() -> None:
    assert max(Drop) < 256
    assert len({reason.value for reason in Drop}) == len(Drop)


def test_links_in_the_documentation_lead_somewhere() -> None:
    for page in [ROOT / "README.md", *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/**/*.md")]:
        for target in re.findall(r"\]\(([^)#]+)", page.read_text()):
            if "://" not in target:
                assert (page.parent / target).exists(), f"{page.name}: {target}"
