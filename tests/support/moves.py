"""Moves of money after a charge has ended, told in the gateway's own words by the practice processor's notices."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

import msgspec
import pytest

from processors.events import EventKind, MoneyMoved, Notice, ProcessorEvent
from processors.money import Money
from processors.practice.client import PracticeAdapter

MOVES: Final = {"test.taken_back": EventKind.CHARGE_REVERSED, "test.given_again": EventKind.CHARGE_REINSTATED}


def told_of_moves(monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on the practice adapter understands the two kinds of MOVES."""
    parse = PracticeAdapter.parse

    async def parsed(self: PracticeAdapter, notice: Notice) -> tuple[ProcessorEvent, ...]:
        if notice.kind not in MOVES:
            return await parse(self, notice)
        event = msgspec.json.decode(notice.body)
        data, at = event["data"], datetime.fromtimestamp(event["created"], UTC)
        sign = -1 if MOVES[notice.kind] is EventKind.CHARGE_REVERSED else 1
        moved = MoneyMoved(Money(sign * data["amount_captured"], data["currency"].lower()), event["id"], at)
        found = {"reference": data["reference"], "processor_id": data["id"]}
        return (ProcessorEvent(MOVES[notice.kind], at, account_ref=event["account"], moved=moved, **found),)

    monkeypatch.setattr(PracticeAdapter, "parse", parsed)


def tell(world: Any, kind: str, charge: Any) -> None:
    """The processor posts that the money of a charge moved once more."""
    account = world.practice.account(world.shop.practice_key)
    world.practice.announce(account, kind, charge.shown(account.id))


async def taken_back(world: Any, **policy: str) -> tuple[Any, str]:
    """A renewal by debit that was paid and then taken back, by a policy that bills it anew; its charge, and it."""
    await world.set_policy(on_reversal="reopen", **policy)
    signup, renewal = await world.renew_unseen()
    await world.settle()
    charge = world.last_charge()
    world.break_card(signup.customer, "decline_insufficient_funds")
    tell(world, "test.taken_back", charge)
    await world.settle()
    return charge, renewal


def rest_of(world: Any, invoice: str) -> dict[str, Any]:
    """The invoice that bills what was credited of this one."""
    invoices = world.stripe_account().invoices.values()
    [found] = [one for one in invoices if one["metadata"].get("tollbridge_remainder_of") == invoice]
    return dict(found)
