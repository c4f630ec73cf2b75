"""Amounts, as they stand in what is sent. That they come back the same, the scenarios show."""

from __future__ import annotations

from collections.abc import Iterable

from processors.conformance import asks
from processors.conformance.checks.check import check
from processors.conformance.scenarios.scenario import InapplicableError
from processors.conformance.stage import stage
from processors.conformance.subject import Impossible, Says, Subject
from processors.money import STRIPE, Money

USUAL = {0: ("jpy", "krw", "clp", "vnd"), 2: ("eur", "usd", "gbp"), 3: ("kwd", "bhd", "jod", "tnd", "omr")}
"""Currencies by their decimals, the usual first."""


def _wired(subject: Subject) -> Iterable[str]:
    calls = ("charge",) if isinstance(subject.refunds, Impossible) else ("charge", "refund")
    return [f"{call} {money.amount} {money.currency}" for call in calls for money in subject.wire]


@check(_wired)
async def amounts_stand_as_recorded(subject: Subject, case: str) -> None:
    """An amount stands in a charge and in a refund as the processor writes it."""
    call, amount, currency = case.split()
    money = Money(int(amount), currency)
    elsewhere = None if isinstance(subject.refunds, Impossible) else subject.refunds.amount
    read = elsewhere if call == "refund" and elsewhere else subject.amount
    async with stage(subject, Says({}, 503)) as staged:
        if call == "charge":
            await staged.adapter.charge(staged.adapter.prepare_charge(asks.charge(subject, amount=money)))
        else:
            await staged.adapter.refund(staged.adapter.prepare_refund(asks.refund(subject, amount=money)))
    found, wanted = read(staged.asked[0]), subject.wire[money]
    assert (type(found), found) == (type(wanted), wanted), f"{found!r} was sent, and {wanted!r} is right"


@check(lambda _subject: ("0", "2", "3"))
async def amounts_of_all_decimals_are_recorded(subject: Subject, case: str) -> None:
    """The subject records an amount for currencies without, with two, and with three decimals."""
    taken = subject.adapter.capabilities.currencies
    usual = [one for one in USUAL[int(case)] if taken is None or one in taken]
    if not usual:
        raise InapplicableError(f"it takes no currency with {case} decimals")
    recorded = {money.currency for money in subject.wire}
    assert recorded & set(USUAL[int(case)]), f"no amount is recorded in one of {', '.join(usual)}"


@check()
async def bounds_make_sense(subject: Subject, _case: str) -> None:
    """The smallest and the largest charge are amounts of currencies that it takes, the one below the other."""
    capabilities = subject.adapter.capabilities
    amounts = capabilities.amounts
    for currency, amount in {**amounts.minimum, **amounts.maximum}.items():
        assert currency == currency.lower(), f"{currency} is not in lower case"
        assert capabilities.currencies is None or currency in capabilities.currencies, f"it does not take {currency}"
        assert amount > 0 and amount % STRIPE.step.get(currency, 1) == 0, f"{amount} {currency} can't be charged"
    for currency, least in amounts.minimum.items():
        most = amounts.maximum.get(currency)
        assert most is None or least < most, f"from {least} to {most} {currency} there is nothing to charge"
        step = 10 ** STRIPE.of(currency)
        assert least <= 100_000 * step, f"a smallest charge of {least} {currency} is none in minor units"
