"""`why`: who collects, as the readers say it, and since when or why."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from db import sql
from db.states import Collector, HandOverState, SwitchState
from gateway.accounts.errors import NotThereError
from gateway.billing.client import from_unix
from gateway.domain.doctor_why_collector import Collecting, HandingOver, Paused
from gateway.readers.actors import names_of
from gateway.readers.customers import CustomerBody, find_customer
from gateway.readers.invoices import InvoiceDetail, PauseBody
from gateway.readers.subscriptions import SubscriptionBody, SwitchBody, find_subscription

HAND_OVER: Final = """
    select state, message, created_at from tollbridge.hand_over
    where account = $1 and invoice = $2 order by created_at desc, id desc limit 1
"""
LEFT: Final = "select left_at from tollbridge.subscription where account = $1 and id = $2"


async def of_subscription(account: str, subscription: SubscriptionBody) -> Collecting:
    customer = await _customer(account, subscription.customer)
    because, since = _reason(subscription.collected_by, subscription, customer)
    if subscription.collected_by is Collector.STRIPE and since is None:
        since = await sql.value(LEFT, account, subscription.id)
    return Collecting(
        by=subscription.collected_by,
        because=because,
        since=since,
        pause=await _paused(account, None if customer is None else customer.pause, of_customer=True),
        handing=_handing(subscription.switch),
        opted_out=customer is not None and customer.opted_out,
    )


async def of_invoice(account: str, detail: InvoiceDetail) -> Collecting:
    """One that Stripe is to pay, or somebody on its page, says why by its subscription or its customer."""
    customer = await _customer(account, detail.customer)
    subscription = await _subscription(account, detail.subscription)
    because, since = detail.collected_because, None
    if detail.collected_by is Collector.HOSTED:
        because, since = _reason(Collector.HOSTED, subscription, customer)
    elif detail.collected_by is Collector.STRIPE and _done(subscription, Collector.STRIPE) is not None:
        since = _done(subscription, Collector.STRIPE)
    handed = await sql.row(HAND_OVER, account, detail.id)
    living = detail.status in ("draft", "open")
    handing = _handing(subscription.switch) if subscription is not None and living else None
    if handed is not None and handed["state"] in (HandOverState.WANTED, HandOverState.SENDING):
        handing = HandingOver(Collector.STRIPE, handed["created_at"])
    elif handed is not None and handed["state"] == HandOverState.DECLINED:
        handing = HandingOver(Collector.STRIPE, handed["created_at"], failed=handed["message"] or "Stripe could not")
    return Collecting(
        by=detail.collected_by,
        because=because,
        since=since,
        pause=await _paused(
            account, detail.pause, of_customer=detail.pause is not None and detail.pause.of != detail.id
        ),
        handing=handing,
        opted_out=customer is not None and customer.opted_out,
    )


def _reason(
    by: Collector | None, subscription: SubscriptionBody | None, customer: CustomerBody | None
) -> tuple[str, datetime | None]:
    """In the order in which it is decided: the subscription's own word, its customer's, the account's."""
    if (since := _done(subscription, by)) is not None:
        return "its subscription was switched", since
    if by is None:
        return "Stripe has not shown it yet", None
    if by is Collector.STRIPE:
        return "Stripe charges it automatically (collection_method)", None
    if customer is None:
        return "", None
    if customer.collected_by is not by:
        return "its subscription has its own setting, which goes before the customer's and the account's", None
    if customer.collection is not None:
        return "the customer's own setting says so", None
    return "the account's policy says so (collection)", None


def _done(subscription: SubscriptionBody | None, by: Collector | None) -> datetime | None:
    """Since when, where a switch made it so."""
    switch = None if subscription is None else subscription.switch
    if switch is None or switch.status is not SwitchState.DONE or switch.to is not by:
        return None
    return from_unix(switch.resolved)


def _handing(switch: SwitchBody | None) -> HandingOver | None:
    if switch is None or switch.status not in (SwitchState.WANTED, SwitchState.REFUSED):
        return None
    since = from_unix(switch.created)
    assert since is not None, "it was asked for at some time"
    failed = (switch.error or "it was refused") if switch.status is SwitchState.REFUSED else ""
    return HandingOver(switch.to, since, failed)


async def _paused(account: str, pause: PauseBody | None, *, of_customer: bool) -> Paused | None:
    since = None if pause is None else from_unix(pause.since)
    if pause is None or since is None:
        return None
    by = (await names_of(account, [pause.by]))[pause.by]
    return Paused(pause.reason, by, since, from_unix(pause.until), of_customer=of_customer)


async def _customer(account: str, customer: str | None) -> CustomerBody | None:
    """None for one of whom nothing is known here."""
    try:
        return await find_customer(account, customer) if customer else None
    except NotThereError:
        return None


async def _subscription(account: str, subscription: str | None) -> SubscriptionBody | None:
    try:
        return await find_subscription(account, subscription) if subscription else None
    except NotThereError:
        return None
