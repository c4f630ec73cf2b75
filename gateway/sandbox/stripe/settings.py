"""What a test may change of an account: the Dashboard's switches, and facts that Stripe's documents leave open."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec

from gateway.sandbox.stripe.closed_lists import API_VERSIONS

if TYPE_CHECKING:
    from gateway.sandbox.stripe.store import Account

Count = Annotated[int, msgspec.Meta(ge=0)]
Days = Annotated[int, msgspec.Meta(ge=1)]
LastSubscription = Literal["past_due", "unpaid", "cancel"]
LastInvoice = Literal["leave", "uncollectible"]


class Dunning(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What becomes of an invoice that is not paid, as set in the Dashboard.

    charge_automatically: retries so many days after each failed try (Stripe's Smart Retries choose the moment, here
    they are fixed); after the last one `subscription` and `invoice` say how it ends. send_invoice: the same
    `overdue_days` (30, 60 or 90) after the due date. Out of the box the last step changes nothing.
    """

    retry_days: tuple[Days, ...] = (3, 5, 7)
    subscription: LastSubscription = "past_due"
    invoice: LastInvoice = "leave"
    overdue_days: Days = 30
    overdue_subscription: LastSubscription = "past_due"
    overdue_invoice: LastInvoice = "leave"


class AccountSettings(msgspec.Struct, forbid_unknown_fields=True):
    """Fields of `Account`, which says what each means."""

    api_version: str
    dunning: Dunning
    oob_makes_payment_record: bool
    search_lag_s: Count
    sends_invoice_mails: bool
    test_clock_advances_s: Count
    third_party_processing: bool
    upcoming_days: Count
    void_returns_balance: bool


def shown(account: Account) -> dict[str, Any]:
    """The settings of an account, as plain values."""
    found = {name: getattr(account, name) for name in AccountSettings.__struct_fields__}
    plain: dict[str, Any] = msgspec.to_builtins(found)
    return plain


def change(account: Account, given: dict[str, Any]) -> None:
    """What is left out stays, within `dunning` too. Raises ValueError for an unknown name or value; then all stays."""
    wanted = shown(account)
    if isinstance(given.get("dunning"), dict):
        given = {**given, "dunning": wanted["dunning"] | given["dunning"]}
    try:
        settings = msgspec.convert(wanted | given, AccountSettings)
    except msgspec.ValidationError as error:
        raise ValueError(str(error)) from None
    if settings.api_version not in API_VERSIONS:
        raise ValueError(f"{settings.api_version} is no API version")
    for name in given:
        setattr(account, name, getattr(settings, name))
