"""The scenarios, held to what must come of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from processors.conformance.checks.check import check
from processors.conformance.scenarios import scenarios
from processors.conformance.scenarios.scenario import play
from processors.conformance.subject import Subject


def _named(family: str) -> Callable[[Subject], Iterable[str]]:
    return lambda subject: [name for name, one in scenarios(subject).items() if one.family == family]


async def _hold(subject: Subject, name: str) -> None:
    scenario = scenarios(subject)[name]
    played = await play(subject, scenario)
    scenario.expect(played.result)
    assert scenario.sends or not played.sent, f"{len(played.sent)} calls were made where none could help"


@check(_named("connections"))
async def connections(subject: Subject, case: str) -> None:
    """The check of a connection says what is proved, what can't be seen and why, and what is wrong and what to do."""
    await _hold(subject, case)


@check(_named("charges"))
async def charges(subject: Subject, case: str) -> None:
    """Each answer to a charge has one meaning for money, and what can't be told apart is unknown."""
    await _hold(subject, case)


@check(_named("lookups"))
async def lookups(subject: Subject, case: str) -> None:
    """A look-up finds what is ours, says "not found" as it's declared, and proves nothing when it fails."""
    await _hold(subject, case)


@check(_named("refunds"))
async def refunds(subject: Subject, case: str) -> None:
    """A refund is done or accepted as declared, of the amount that was asked for, and refused with a reason."""
    await _hold(subject, case)


@check(_named("setups"))
async def setups(subject: Subject, case: str) -> None:
    """A set-up gives the same method at each look; a method has a state, and revoking one that is gone succeeds."""
    await _hold(subject, case)


@check(_named("notices"))
async def notices(subject: Subject, case: str) -> None:
    """A notification tells what it's recorded as, and names what it is about."""
    await _hold(subject, case)


@check(_named("settlements"))
async def settlements(subject: Subject, case: str) -> None:
    """A settlement file is read whole, with exact amounts and the same each time, or refused whole."""
    await _hold(subject, case)
