"""What forms of a customer's page ask for: pausing, who collects, its payment methods, and erasing it."""

from __future__ import annotations

import re
from collections.abc import Awaitable
from typing import Any, Final

import msgspec
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Redirect, Template

from db.states import Collection
from gateway.accounts.audit import required
from gateway.accounts.errors import FieldError
from gateway.accounts.known import refuse_unknown
from gateway.clock import business_now
from gateway.console.customers import customer_page
from gateway.console.dates import end_of_day
from gateway.console.desk import Desk, change
from gateway.console.errors import said_of
from gateway.console.forms import Form, Posted, Reasoned
from gateway.console.render import led
from gateway.customers import erase
from gateway.customers.by_hand import put_in_place, revoke
from gateway.customers.customer import collect_by, opt_out
from gateway.domain.roles import Action
from gateway.finance.pause import pause_customer, resume_customer
from gateway.runtime import Runtime


class Pausing(Reasoned, frozen=True):
    until: str = ""


class Collecting(Reasoned, frozen=True):
    collection: str = ""


class LeavingAlone(Reasoned, frozen=True):
    opted_out: str = ""


class Moving(Form, frozen=True):
    position: str = "1"


class Erasing(Reasoned, frozen=True):
    sure: str = ""


@change("/customers/{customer_id:str}/pause", Action.COLLECT)
async def pause(desk: NamedDependency[Desk], customer_id: FromPath[str], data: Posted[Pausing]) -> Redirect | Template:
    """Charge nothing of the customer's until the end of a day, or until resumed."""

    async def act() -> None:
        until = end_of_day(data.until, "until")
        await pause_customer(desk.author(data.reason), desk.account, customer_id, until)

    return await _done(
        desk, customer_id, act(), "customer_paused", {"form": "pause", "until": data.until, "why": data.reason}
    )


@change("/customers/{customer_id:str}/resume", Action.COLLECT)
async def resume(
    desk: NamedDependency[Desk], customer_id: FromPath[str], data: Posted[Reasoned]
) -> Redirect | Template:
    """Collect again."""
    act = resume_customer(desk.author(data.reason), desk.account, customer_id)
    return await _done(desk, customer_id, act, "customer_resumed", {"form": "resume", "why": data.reason})


@change("/customers/{customer_id:str}/collection", Action.MANAGE_SUBSCRIPTIONS)
async def collection(
    desk: NamedDependency[Desk], customer_id: FromPath[str], data: Posted[Collecting]
) -> Redirect | Template:
    """Who collects what the customer is sent."""

    async def act() -> None:
        await refuse_unknown(desk.account, customer_id)
        by = desk.author(required(data.reason))
        await collect_by(desk.account, customer_id, _collection(data.collection), by, await business_now())

    typed = {"form": "collection", "collection": data.collection, "why": data.reason}
    return await _done(desk, customer_id, act(), "collection", typed)


@change("/customers/{customer_id:str}/leave_alone", Action.MANAGE_SUBSCRIPTIONS)
async def leave_alone(
    desk: NamedDependency[Desk], customer_id: FromPath[str], data: Posted[LeavingAlone]
) -> Redirect | Template:
    """Leave the customer's invoices alone, or take them up again."""
    alone = data.opted_out == "yes"

    async def act() -> None:
        await refuse_unknown(desk.account, customer_id)
        await opt_out(desk.account, customer_id, alone, desk.author(required(data.reason)), await business_now())

    said = "left_alone" if alone else "taken_up"
    return await _done(desk, customer_id, act(), said, {"form": "leave_alone", "why": data.reason})


@change("/customers/{customer_id:str}/payment_methods/{method_id:str}/move", Action.HELP_PAYERS)
async def move(
    desk: NamedDependency[Desk], customer_id: FromPath[str], method_id: FromPath[str], data: Posted[Moving]
) -> Redirect | Template:
    """Another place in the order in which they are charged, from the next try on."""

    async def act() -> None:
        if not re.fullmatch(r"[0-9]{1,4}", data.position) or not 1 <= int(data.position) <= 1000:
            raise FieldError("position", "must be a whole number from 1 on")
        await put_in_place(desk.author(), desk.account, customer_id, method_id, int(data.position))

    return await _done(desk, customer_id, act(), "method_moved", {"form": method_id})


@change("/customers/{customer_id:str}/payment_methods/{method_id:str}/remove", Action.HELP_PAYERS)
async def remove(
    desk: NamedDependency[Desk], customer_id: FromPath[str], method_id: FromPath[str], data: Posted[Reasoned]
) -> Redirect | Template:
    """Charge nothing to it any more, and have it deleted at its processor."""

    async def act() -> None:
        await revoke(desk.author(required(data.reason)), desk.account, customer_id, method_id)

    return await _done(desk, customer_id, act(), "method_removed", {"form": method_id, "why": data.reason})


@change("/customers/{customer_id:str}/erase", Action.ERASE)
async def erase_customer(
    desk: NamedDependency[Desk],
    runtime: NamedDependency[Runtime],
    customer_id: FromPath[str],
    data: Posted[Erasing],
) -> Redirect | Template:
    """Erase the customer's personal data; whoever asks types its id, since it can't be undone."""

    async def act() -> None:
        await refuse_unknown(desk.account, customer_id)
        if data.sure.strip() != customer_id:
            raise FieldError("sure", f"type {customer_id} to say that you mean this customer")
        await erase.ask(runtime, desk.author(data.reason), desk.account, customer_id)

    return await _done(desk, customer_id, act(), "erasing", {"form": "erase", "why": data.reason})


async def _done(
    desk: Desk, customer_id: str, act: Awaitable[Any], said: str, typed: dict[str, str]
) -> Redirect | Template:
    """Back to the customer's page, or that page with what is wrong in the form."""
    try:
        await act
    except Exception as error:
        problem, status = said_of(error)
        return await customer_page(desk, customer_id, problem=problem, status=status, typed=typed)
    return led(f"{desk.path}/customers/{customer_id}", said)


def _collection(text: str) -> Collection | None:
    """Raises FieldError."""
    try:
        return msgspec.convert(text, Collection) if text else None
    except msgspec.ValidationError as error:
        raise FieldError("collection", "is none that there is") from error


customer_change_routes: Final[list[Any]] = [
    pause,
    resume,
    collection,
    leave_alone,
    move,
    remove,
    erase_customer,
]
