"""What a case's button carries out: the story that the API and the command line have, by the role that it needs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import msgspec
from litestar.di import NamedDependency
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath
from litestar.response import Redirect, Template

from gateway.accounts import connections, webhook_endpoints
from gateway.accounts.audit import Author, bounded
from gateway.accounts.connections import ConnectionChange
from gateway.accounts.errors import FieldError, NotThereError
from gateway.accounts.webhook_endpoints import EndpointChange
from gateway.books import runs
from gateway.cases import CaseClosedError, note_repair
from gateway.clock import business_now
from gateway.console.case_page import case_page
from gateway.console.desk import Desk, change
from gateway.console.errors import said_of
from gateway.console.forms import Posted, Reasoned
from gateway.console.render import led
from gateway.domain.case_repairs import OFFERS, CaseRepair, repairs_of
from gateway.finance.ask_processor import ask_processor
from gateway.finance.collect_now import collect_now
from gateway.inbox import by_hand, stripe_endpoint
from gateway.inbox.connection_check import ConnectionCheck, check
from gateway.readers.cases import CaseBody, connection_of, find_case
from gateway.returns.decisions import approve, resolve_note
from gateway.returns.retrying import retry, retry_dispute
from gateway.runtime import Runtime
from processors.outcome import DeclineClass

SEND: Final = "send"
"""No refund was made for the credit note: have it made."""


class Repairing(Reasoned, frozen=True):
    """A button, and what some of them ask for beside it."""

    refund: str = ""
    """Which one a credit note belongs to, or SEND."""
    decline_class: str = ""


class Work(msgspec.Struct, frozen=True):
    """What a repair is given."""

    runtime: Runtime
    by: Author
    account: str
    case: CaseBody
    form: Repairing


async def _collect(work: Work) -> None:
    await collect_now(work.by, work.account, work.case.subject)


async def _ask(work: Work) -> None:
    await ask_processor(work.by, work.account, work.case.invoice or work.case.subject)


async def _retry(work: Work) -> None:
    again = retry_dispute if work.case.subject.startswith("dsp_") else retry
    await again(work.by, work.account, work.case.subject)


async def _approve(work: Work) -> None:
    await approve(work.by, work.account, work.case.subject, give=True)


async def _deny(work: Work) -> None:
    await approve(work.by, work.account, work.case.subject, give=False)


async def _resolve_note(work: Work) -> None:
    if not work.form.refund:
        raise FieldError("refund", "say which refund it belongs to, or have it made")
    refund = None if work.form.refund == SEND else work.form.refund
    await resolve_note(work.by, work.account, work.case.subject, refund)


async def _class_decline(work: Work) -> None:
    connection, _, code = work.case.subject.partition(":")
    if work.form.decline_class not in list(DeclineClass):
        raise FieldError("decline_class", "choose what the code means")
    told = ConnectionChange(declines={code: DeclineClass(work.form.decline_class)})
    await connections.update(work.runtime, work.by, work.account, connection, told)


async def _check(work: Work) -> ConnectionCheck:
    return await check(work.runtime, work.account, await connection_of(work.account, work.case.subject))


async def _replay(work: Work) -> None:
    await by_hand.replay(work.by, work.account, work.case.subject)


async def _enable(work: Work) -> None:
    change_ = EndpointChange(enabled=True)
    await webhook_endpoints.update(work.runtime, work.by, work.account, work.case.subject, change_)


async def _set_up(work: Work) -> None:
    await stripe_endpoint.set_up(work.runtime, work.by, work.account)


async def _compare(work: Work) -> None:
    await runs.ask(work.by, work.account, await business_now(), live=True)


STORIES: Final[Mapping[CaseRepair, Callable[[Work], Awaitable[ConnectionCheck | None]]]] = {
    CaseRepair.COLLECT: _collect,
    CaseRepair.ASK_PROCESSOR: _ask,
    CaseRepair.RETRY: _retry,
    CaseRepair.APPROVE: _approve,
    CaseRepair.DENY: _deny,
    CaseRepair.RESOLVE_NOTE: _resolve_note,
    CaseRepair.CLASS_DECLINE: _class_decline,
    CaseRepair.CHECK_CONNECTION: _check,
    CaseRepair.REPLAY_DELIVERY: _replay,
    CaseRepair.ENABLE_ENDPOINT: _enable,
    CaseRepair.SET_UP_WEBHOOK: _set_up,
    CaseRepair.COMPARE_BOOKS: _compare,
}


def _route(repair: CaseRepair) -> HTTPRouteHandler:
    """Each has a path of its own, since each needs a role of its own."""

    @change(f"/cases/{{case_id:str}}/repair/{repair}", OFFERS[repair].action)
    async def carry_out(
        desk: NamedDependency[Desk],
        runtime: NamedDependency[Runtime],
        case_id: FromPath[str],
        data: Posted[Repairing],
    ) -> Redirect | Template:
        """Carry out what mends a case."""
        case = await find_case(desk.account, case_id)
        by = desk.author(data.reason or f"case {case_id}")
        try:
            _refuse(case, repair)
            bounded(data.reason)
            found = await STORIES[repair](Work(runtime, by, desk.account, case, data))
        except Exception as error:
            problem, status = said_of(error)
            return await case_page(desk, case_id, problem=problem, status=status, form=repair, typed=data)
        await note_repair(by, desk.account, case_id, repair)
        if found is not None:
            return await case_page(desk, case_id, checked=found)
        return led(f"{desk.path}/cases/{case_id}", f"case_{repair}")

    return carry_out


def _refuse(case: CaseBody, repair: CaseRepair) -> None:
    """Raises CaseClosedError, NotThereError for what this case does not offer."""
    if case.closed is not None:
        raise CaseClosedError(f"case {case.id} was closed by {case.closed_by}")
    if repair not in repairs_of(case.kind, case.subject):
        raise NotThereError("repair of this case", repair)


case_repair_routes: Final[list[Any]] = [_route(one) for one in CaseRepair]
