"""Having a subscription collected by another: first by whom, then what that needs and means, then the form."""

from __future__ import annotations

import re
from typing import Annotated, Any, Final

import msgspec
from litestar.di import NamedDependency
from litestar.params import FromPath, QueryParameter
from litestar.response import Redirect, Template

from db.states import Collector, MethodStatus, OpenInvoices
from gateway.accounts.accounts import policy_of
from gateway.accounts.audit import required
from gateway.accounts.errors import FieldError
from gateway.collect.switch_wish import Asked
from gateway.console.desk import Desk, change, page
from gateway.console.errors import RIGHT, Wrong, wrong_of
from gateway.console.forms import Posted, Reasoned
from gateway.console.render import led, money, shown
from gateway.domain.method_words import named
from gateway.domain.roles import Action
from gateway.domain.switch_words import NAMES, Switching, told
from gateway.readers.billed import invoices_of, remaining
from gateway.readers.object_names import object_names
from gateway.readers.payment_methods import PaymentMethodBody, find_methods
from gateway.readers.subscriptions import SubscriptionBody, find_subscription
from gateway.subscriptions import switch
from gateway.subscriptions.known import LONGEST_REASON

MOST: Final = 100
LABELS: Final = {
    "days_until_due": "Days until an invoice is due",
    "stripe_payment_method": "Stripe's payment method",
    "reason": "Why",
}
"""What the page calls the fields."""
To = Annotated[Collector | None, QueryParameter(name="to")]
Method = Annotated[str, QueryParameter(name="payment_method", max_length=255)]
StripeMethod = Annotated[str, QueryParameter(name="stripe_payment_method", max_length=255)]
Open = Annotated[OpenInvoices, QueryParameter(name="open_invoices")]
Days = Annotated[str, QueryParameter(name="days_until_due", max_length=5)]
Retire = Annotated[bool, QueryParameter(name="retire")]


class SwitchForm(Reasoned, frozen=True, kw_only=True):
    to: Collector
    payment_method: str = ""
    stripe_payment_method: str = ""
    open_invoices: OpenInvoices = OpenInvoices.FINISH
    days_until_due: str = ""
    retire: bool = False


@page("/subscriptions/{subscription_id:str}/switch", Action.MANAGE_SUBSCRIPTIONS)
async def choose(
    desk: NamedDependency[Desk],
    subscription_id: FromPath[str],
    to: To = None,
    payment_method: Method = "",
    stripe_payment_method: StripeMethod = "",
    open_invoices: Open = OpenInvoices.FINISH,
    days_until_due: Days = "",
    retire: Retire = False,
) -> Template:
    """Who is to collect it; with `to`, what that needs and means, and the form that asks for it."""
    typed = None
    if to is not None:
        typed = SwitchForm(
            to=to,
            payment_method=payment_method,
            stripe_payment_method=stripe_payment_method,
            open_invoices=open_invoices,
            days_until_due=days_until_due,
            retire=retire,
        )
    return await _choosing(desk, subscription_id, typed)


@change("/subscriptions/{subscription_id:str}/switch", Action.MANAGE_SUBSCRIPTIONS)
async def carry_out(
    desk: NamedDependency[Desk], subscription_id: FromPath[str], data: Posted[SwitchForm]
) -> Redirect | Template:
    """Ask for it; the page shows how far it is."""
    try:
        by = desk.author(required(data.reason, LONGEST_REASON))
        await switch.ask(by, desk.account, subscription_id, _asked(data))
    except Exception as error:
        return await _choosing(desk, subscription_id, data, wrong=wrong_of(error, LABELS))
    return led(f"{desk.path}/subscriptions/{subscription_id}", "switching")


def _asked(data: SwitchForm) -> Asked:
    """What goes only with another collector is left out. Raises FieldError."""
    us, stripe, text = data.to is Collector.GATEWAY, data.to is Collector.STRIPE, data.days_until_due.strip()
    if text and (not re.fullmatch(r"[0-9]{1,3}", text) or int(text) > 730):
        raise FieldError("days_until_due", "must be a whole number from 0 to 730")
    method = data.payment_method if us else ""
    return Asked(
        data.to,
        method,
        data.stripe_payment_method.strip() if stripe else "",
        data.open_invoices if stripe else OpenInvoices.FINISH,
        int(text) if text and not stripe else None,
        data.retire and bool(method),
    )


async def _choosing(desk: Desk, subscription_id: str, typed: SwitchForm | None, *, wrong: Wrong = RIGHT) -> Template:
    """What was typed stays, also where it asks for nothing that there is."""
    account, asked = desk.account, None
    try:
        asked = _asked(typed) if typed is not None else None
    except FieldError as error:
        wrong = wrong_of(error, LABELS)
    found = await find_subscription(account, subscription_id)
    kept = (await find_methods(account, found.customer, limit=MOST, starting_after="")).data if found.customer else []
    chargeable = [one for one in kept if one.status is MethodStatus.ACTIVE]
    context = {
        "subscription": found,
        "called": (await object_names(desk.account, [found.id])).get(found.id, found.id),
        "typed": typed,
        "asked": asked,
        "given": msgspec.structs.asdict(asked) if asked is not None else {},
        "told": await _told(account, found, chargeable, asked) if asked is not None else [],
        "methods": chargeable,
        "named": named,
        "collectors": NAMES,
        "wrong": wrong,
    }
    return shown(desk, "subscription_switch.html", context, status=wrong.status)


async def _told(account: str, found: SubscriptionBody, methods: list[PaymentMethodBody], asked: Asked) -> list[str]:
    policy = await policy_of(account)
    open_ones = await invoices_of(account, found.id, "open", limit=MOST)
    method = next((named(one.card) for one in methods if one.id == asked.payment_method), "")
    return told(
        Switching(
            to=asked.to,
            now=found.collected_by,
            method=method,
            chargeable=bool(methods),
            stripe_method=asked.stripe_payment_method,
            open_invoices=asked.open_invoices,
            days=asked.days_until_due,
            retire=asked.retire,
            owed=[money(*one) for one in remaining(open_ones)],
            keeps_methods=policy.unused_methods == "keep",
        )
    )


switch_routes: Final[list[Any]] = [choose, carry_out]
