"""Gives the kit to pytest, where it's asked for and nowhere else:

    pytest -p processors.conformance.plugin --pyargs processors.conformance

Subjects are those of every installed package (entry points of the group `tollbridge.conformance`), or those that are
named: `--tollbridge-subject=my_package.conformance:SUBJECT`, or the ini option `tollbridge_subjects`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from processors.conformance.subject import Subject

OPTION = "--tollbridge-subject"
INI = "tollbridge_subjects"


def pytest_configure() -> None:
    """Here rather than at import, so that whoever only imports this module is not told that it comes too late."""
    pytest.register_assert_rewrite("processors.conformance.checks", "processors.conformance.scenarios")


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("tollbridge", "the conformance kit of Tollbridge's adapters")
    group.addoption(OPTION, action="append", default=[], metavar="MODULE:NAME", help="a subject; may be repeated")
    parser.addini(INI, "the subjects of the conformance kit, as module:NAME", type="linelist", default=[])


def subjects(config: pytest.Config) -> list[Subject]:
    """Those that were named, else all that are installed."""
    from processors.conformance import discovery  # noqa: PLC0415 (assertions in it are rewritten first)

    names = [*config.getoption(OPTION), *config.getini(INI)]
    try:
        found = discovery.named(names) if names else discovery.installed()
    except discovery.NoSubjectError as error:
        raise pytest.UsageError(str(error)) from None
    if not found:
        raise pytest.UsageError(f"no subject is installed under {discovery.GROUP}, and none is named by {OPTION}")
    return found


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test for each subject, check and case; one for each subject and call that a sandbox takes."""
    if metafunc.module.__name__ == "processors.conformance.test_conformance":
        from processors.conformance.checks import cases_of  # noqa: PLC0415

        every = [(one, *case) for one in subjects(metafunc.config) for case in cases_of(one)]
        ids = [f"{one.name}-{check.name}{'-' if case else ''}{case}" for one, check, case in every]
        metafunc.parametrize(("subject", "check", "case"), every, ids=ids)
    elif metafunc.module.__name__ == "processors.conformance.test_live":
        every_subject = subjects(metafunc.config)
        metafunc.parametrize("subject", every_subject, ids=[one.name for one in every_subject])
