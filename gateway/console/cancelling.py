"""Having a subscription end: first how, then what that means in words, then the form that asks for it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Final

from litestar.di import NamedDependency
from litestar.params import FromPath, QueryParameter
from litestar.response import Redirect, Template

from db.states import INVOICE_UNRESOLVED, Collector, Ends
from gateway.accounts.accounts import policy_of
from gateway.accounts.audit import required
from gateway.console.desk import Desk, change, page
from gateway.console.errors import RIGHT, Wrong, wrong_of
from gateway.console.forms import Posted, Reasoned
from gateway.console.render import led, money, shown
from gateway.domain.cancel_words import Ending, told
from gateway.domain.roles import Action
from gateway.readers.billed import invoices_of, remaining
from gateway.readers.object_names import object_names
from gateway.readers.payment_methods import find_methods
from gateway.readers.subscriptions import SubscriptionBody, find_subscription, find_subscriptions
from gateway.readers.usage import backlog
from gateway.subscriptions import cancel
from gateway.subscriptions.known import LONGEST_REASON

MOST: Final = 100
LABELS: Final = {"reason": "Why"}
EndsWanted = Annotated[Ends | None, QueryParameter(name="ends")]
InvoiceNow = Annotated[bool, QueryParameter(name="invoice_now")]
Prorate = Annotated[bool, QueryParameter(name="prorate")]


class Cancelling(Reasoned, frozen=True, kw_only=True):
    ends: Ends
    invoice_now: bool = False
    prorate: bool = False


@page("/subscriptions/{subscription_id:str}/cancel", Action.MANAGE_SUBSCRIPTIONS)
async def choose(
    desk: NamedDependency[Desk],
    subscription_id: FromPath[str],
    ends: EndsWanted = None,
    invoice_now: InvoiceNow = False,
    prorate: Prorate = False,
) -> Template:
    """How it is to end; with `ends`, what that means, and the form that asks for it."""
    return await _choosing(desk, subscription_id, _asked(ends, invoice_now, prorate, ""))


@change("/subscriptions/{subscription_id:str}/cancel", Action.MANAGE_SUBSCRIPTIONS)
async def carry_out(
    desk: NamedDependency[Desk], subscription_id: FromPath[str], data: Posted[Cancelling]
) -> Redirect | Template:
    """Ask for it; the page shows how far it is."""
    asked = _asked(data.ends, data.invoice_now, data.prorate, data.reason)
    assert asked is not None, "the form says how"
    try:
        by = desk.author(required(data.reason, LONGEST_REASON))
        await cancel.ask(by, desk.account, subscription_id, asked)
    except Exception as error:
        return await _choosing(desk, subscription_id, asked, wrong=wrong_of(error, LABELS))
    return led(f"{desk.path}/subscriptions/{subscription_id}", "canceling")


def _asked(ends: Ends | None, invoice_now: bool, prorate: bool, comment: str) -> cancel.Asked | None:
    """What goes only with an end at once is left out otherwise."""
    if ends is None:
        return None
    now = ends is Ends.NOW
    return cancel.Asked(ends, now and invoice_now, now and prorate, comment)


async def _choosing(desk: Desk, subscription_id: str, asked: cancel.Asked | None, *, wrong: Wrong = RIGHT) -> Template:
    found = await find_subscription(desk.account, subscription_id)
    paid = await invoices_of(desk.account, subscription_id, "paid", limit=MOST)
    context = {
        "subscription": found,
        "called": (await object_names(desk.account, [found.id])).get(found.id, found.id),
        "asked": asked,
        "told": await _told(desk.account, found, asked) if asked is not None else [],
        "last_paid": next((one for one in paid if one.total > 0), None),
        "wrong": wrong,
    }
    return shown(desk, "subscription_cancel.html", context, status=wrong.status)


async def _told(account: str, found: SubscriptionBody, asked: cancel.Asked) -> list[str]:
    """What it would mean, as things stand."""
    customer, policy = found.customer or "", await policy_of(account)
    open_ones = await invoices_of(account, found.id, "open", limit=MOST)
    living = [one for one in (await find_subscriptions(account, customer, limit=MOST)).data if not one.ended_at]
    kept = (await find_methods(account, customer, limit=MOST, starting_after="")).data if customer else []
    unsent, _ = await backlog(account, customer)
    return told(
        Ending(
            ends=asked.ends,
            invoice_now=asked.invoice_now,
            prorate=asked.prorate,
            collected_by=found.collected_by,
            owed=[money(*one) for one in remaining(open_ones)],
            in_flight=any(one.state in INVOICE_UNRESOLVED for one in open_ones),
            others=sum(one.id != found.id and one.collected_by is not Collector.STRIPE for one in living),
            methods=sum(one.position is not None for one in kept),
            ends_at=datetime.fromtimestamp(found.cancel_at, UTC) if found.cancel_at else None,
            unsent=unsent,
        ),
        policy,
    )


cancel_routes: Final[list[Any]] = [choose, carry_out]
