"""What may not be let slip."""

from __future__ import annotations

import traceback
from typing import Any

from processors.conformance import asks
from processors.conformance.checks.check import check
from processors.conformance.checks.described import played
from processors.conformance.scenarios import scenarios
from processors.conformance.scenarios.scenario import Played, play
from processors.conformance.secrets import secrets_of
from processors.conformance.stage import stage
from processors.conformance.subject import Key, Subject
from processors.errors import WebhookError
from processors.events import RawDelivery


@check(played)
async def nothing_secret_shows(subject: Subject, case: str) -> None:
    """No credential, token or client data stands in a result, an error, its traceback, or a line of a log."""
    _hold(subject, _texts(await play(subject, scenarios(subject)[case])))


@check()
async def the_adapter_shows_no_secret(subject: Subject, _case: str) -> None:
    """Neither the adapter nor what it prepared shows a secret when it's printed."""
    async with stage(subject) as staged:
        call = staged.adapter.prepare_charge(asks.charge(subject))
        _hold(subject, [repr(staged.adapter), str(staged.adapter), repr(call), str(call)])


@check()
async def refused_deliveries_show_no_secret(subject: Subject, _case: str) -> None:
    """The error of a delivery that is refused quotes neither the key nor the signature."""
    if not subject.recorded:
        return
    told = subject.recorded[0]
    async with stage(subject, told.fetched) as staged:
        for delivery in (subject.webhooks.deliver((told.item,), Key.WRONG), RawDelivery("POST", "", (), (), b"{")):
            try:
                await staged.adapter.verify(delivery)
            except WebhookError as error:
                _hold(subject, ["".join(traceback.format_exception(error))])


def _texts(came: Played) -> list[str]:
    result = came.result
    shown = [repr(result), str(result), *came.logged]
    if isinstance(result, BaseException):
        shown.append("".join(traceback.format_exception(result)))
        shown += [repr(one) for one in _chain(result)]
    return shown


def _chain(error: BaseException) -> list[Any]:
    """The error and all that it hides behind `from None`: an error reporter sends these too."""
    found: list[Any] = []
    rest: list[BaseException | None] = [error]
    while rest:
        one = rest.pop()
        if one is not None and one not in found:
            found.append(one)
            rest += [one.__cause__, one.__context__]
    return [(type(one), one.args, vars(one)) for one in found]


def _hold(subject: Subject, texts: list[str]) -> None:
    for text in texts:
        shown = [name for name, secret in secrets_of(subject).items() if secret in text]
        assert not shown, f"{', '.join(shown)} stands in: {text[:300]}"
