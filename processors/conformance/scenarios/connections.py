"""The check of a connection: what it proves, what it can't see and says so, and what it finds wrong."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from processors.checked import About, Checked, Proved, Unseen, Wrong
from processors.conformance.scenarios.scenario import BROKEN, JSON_OF_NOTHING, UNREACHED, Scenario
from processors.conformance.subject import WEBHOOK_URL, Impossible, Subject
from processors.errors import NotSentError, OutcomeUnknownError, RefusedError
from processors.interface import ProcessorAdapter


def scenarios(subject: Subject) -> Iterator[Scenario]:
    checks = subject.checks
    good = checks.unseen if isinstance(checks.proved, Impossible) else checks.proved
    yield Scenario("check: the credentials are good", good, _check, partial(_named, subject))
    wrong = subject.charges.unauthorized
    yield Scenario("check: the credentials are wrong", wrong, _check, partial(_failed, RefusedError))
    for name, said in {**UNREACHED, **BROKEN}.items():
        if name not in JSON_OF_NOTHING:  # of some answers nothing need be read but that they are the processor's
            failed = partial(_failed, NotSentError | OutcomeUnknownError)
            yield Scenario(f"check: {name}", said, _check, failed)
    yield Scenario("check: the webhook is set up", checks.proved, _check, partial(_found, Proved))
    yield Scenario("check: the webhook can't be seen", checks.unseen, _check, partial(_found, Unseen))
    for name, said_wrong in checks.wrong.items():
        yield Scenario(f"check: the webhook is wrong, {name}", said_wrong, _check, partial(_found, Wrong))


async def _check(adapter: ProcessorAdapter) -> Checked:
    return await adapter.check(WEBHOOK_URL)


def _failed(kind: Any, result: Any) -> None:
    assert isinstance(result, kind), f"{result!r}: without the credentials nothing is proved"


def _checked(result: Any) -> Checked:
    """What every check says, whatever it finds."""
    assert isinstance(result, Checked), f"{result!r} is no check"
    about = [one.about for one in result.findings]
    assert About.CREDENTIALS in about and About.WEBHOOK in about, f"it speaks of {', '.join(about) or 'nothing'}"
    assert About.NOTIFICATIONS not in about, "which notifications came, the gateway knows"
    assert all(one.text.strip() for one in result.findings), "a finding without words"
    assert all(one.to_do.strip() for one in result.findings if isinstance(one, Wrong)), "wrong, and nothing to do"
    assert result.try_it.strip(), "it does not say how a notification is tried"
    return result


def _named(subject: Subject, result: Any) -> None:
    checked = _checked(result)
    assert checked.account == subject.account, f"it names {checked.account!r}"
    opened = [one for one in checked.findings if one.about is About.CREDENTIALS]
    assert all(isinstance(one, Proved) for one in opened), f"the credentials are good, and it says {opened}"


def _found(kind: type[Proved | Unseen | Wrong], result: Any) -> None:
    """The webhook's findings, of which the gravest counts."""
    found = [one for one in _checked(result).findings if one.about is About.WEBHOOK]
    gravest = next((one for grave in (Wrong, Unseen, Proved) for one in found if isinstance(one, grave)), None)
    assert isinstance(gravest, kind), f"of the webhook it says {gravest!r}"
