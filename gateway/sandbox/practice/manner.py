"""How the practice processor treats one account: in which of the ways that real processors differ.

A manner is a value. `MANNERS` holds one for each of six kinds of processor, by the name of the one that it is like
(source: their public documentation); any field of it can be changed for an account.
"""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, Final, Literal, TypeVar

import msgspec

DAY_S: Final = 86400

Seconds = Annotated[float, msgspec.Meta(ge=0)]
Count = Annotated[int, msgspec.Meta(ge=0)]
Currency = Annotated[str, msgspec.Meta(pattern="^[A-Z]{3}$")]
Positive = Annotated[int, msgspec.Meta(ge=1)]
T = TypeVar("T", bound=msgspec.Struct)


class Delays(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """How long things take, in sandbox seconds.

    A pending charge until it settles; an authorized one until its capture; a failed one until the processor tries it
    again; a paid debit until it fails late or is charged back, and such a loss until it's made good (or final); a
    refund where refunds are asynchronous; a paid charge until its money is told of as settled (none: it never is).
    """

    pending_delay_s: Seconds = DAY_S
    capture_delay_s: Seconds = 3600
    retry_delay_s: Seconds = 2 * DAY_S
    late_failure_delay_s: Seconds = 3 * DAY_S
    chargeback_delay_s: Seconds = 14 * DAY_S
    made_good_delay_s: Seconds = 5 * DAY_S
    refund_delay_s: Seconds = DAY_S
    settlement_delay_s: Seconds | None = None


class Manner(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One account's processor. README.md says what each field does."""

    like: str = "practice"

    collection: Literal["sync", "async", "debit", "wallet"] = "sync"
    capture: Literal["at_once", "later"] = "at_once"
    charge_after_days: Count = 0
    cancel: Literal["until_collected", "until_charge_date", "never"] = "until_collected"
    magic_amounts: bool = False
    unique_reference: bool = True

    idempotency: Literal["same_answer", "current_state", "conflict_with_id", "runs_again_after_error"] = "same_answer"
    key_place: Literal["header", "body"] = "header"
    key_window_s: Positive = 7 * DAY_S
    key_in_flight: Literal["refused", "waits"] = "refused"

    lookup: Literal["by_reference", "by_id", "scan", "none"] = "by_reference"
    lookup_lag_s: Seconds = 0

    minimum: dict[Currency, Positive] = {}
    maximum: dict[Currency, Positive] = {}
    decimals: dict[Currency, Annotated[int, msgspec.Meta(ge=0, le=4)]] = {}
    currencies: frozenset[Currency] | None = None
    rate_limit: Positive | None = None

    webhook: Literal["signed", "ping"] = "signed"
    dashboard_events: bool = True

    takes_lines: bool = False

    refunds: Literal["sync", "async", "off"] = "sync"
    partial_refunds: bool = True
    refund_window_days: Positive | None = None
    refunds_need_balance: bool = False

    settlement_currency: Currency | None = None
    rates: dict[Currency, str] = {}
    fee_basis_points: Annotated[int, msgspec.Meta(ge=0, le=10_000)] = 0
    fee_fixed: Count = 0

    delays: Delays | None = None

    def __post_init__(self) -> None:
        for currency, rate in self.rates.items():
            if not re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", rate) or Decimal(rate) == 0:
                raise ValueError(f"the rate of {currency} is a positive decimal number, such as 1.083")


MANNERS: Final = {
    manner.like: manner
    for manner in (
        Manner(),
        # Cards at once; refunds end by webhook only; keys live a month; nothing can be read back.
        Manner(like="adyen", key_window_s=31 * DAY_S, lookup="none", refunds="async", cancel="never"),
        # A wallet: the payer ends the agreement there. Six hours of idempotency, no look-up by our reference.
        Manner(
            like="paypal",
            collection="wallet",
            idempotency="current_state",
            key_window_s=6 * 3600,
            lookup="by_id",
            decimals={"HUF": 0, "TWD": 0},
            takes_lines=True,
            refund_window_days=180,
            cancel="never",
        ),
        # The key in the body gives the transaction as it stands; refunds from the dashboard have no event.
        Manner(
            like="braintree",
            idempotency="current_state",
            key_place="body",
            key_window_s=30 * DAY_S,
            dashboard_events=False,
            cancel="never",
        ),
        # Bank debits: days, reversals, a 409 that names what the key has made, refunds out of the balance only.
        Manner(
            like="gocardless",
            collection="debit",
            charge_after_days=2,
            cancel="until_charge_date",
            unique_reference=False,
            idempotency="conflict_with_id",
            key_window_s=30 * DAY_S,
            lookup="scan",
            refunds="async",
            refunds_need_balance=True,
        ),
        # Webhooks are an id and no signature; keys live an hour; a payment is found by listing the customer's.
        Manner(
            like="mollie", unique_reference=False, key_window_s=3600, lookup="scan", webhook="ping", refunds="async"
        ),
        # Only a 2xx is kept under a key, so that an error may have charged: look up first.
        Manner(
            like="checkout_com",
            unique_reference=False,
            idempotency="runs_again_after_error",
            key_window_s=DAY_S,
            refunds="async",
            rate_limit=100,
            cancel="never",
        ),
    )
}


def manner(changed: dict[str, Any], base: Manner) -> Manner:
    """`base`, or the manner that `like` names, with fields changed; raises ValueError with a sentence."""
    if (like := changed.get("like")) is not None:
        if like not in MANNERS:
            raise ValueError(f"there is no manner {like!r}; there are {', '.join(MANNERS)}")
        base = MANNERS[like]
    return _changed(changed, base, Manner, "manner")


def delays(changed: dict[str, Any], base: Delays) -> Delays:
    """`base` with fields changed; raises ValueError with a sentence."""
    return _changed(changed, base, Delays, "settings")


def _changed(changed: dict[str, Any], base: T, kind: type[T], noun: str) -> T:
    unknown = [name for name in changed if name not in kind.__struct_fields__]
    if unknown:
        raise ValueError(f"{noun} have no {', '.join(map(repr, unknown))}; known: {', '.join(kind.__struct_fields__)}")
    try:
        return msgspec.convert(msgspec.to_builtins(base) | changed, kind)
    except (msgspec.ValidationError, InvalidOperation) as error:
        raise ValueError(f"{noun}: {error}") from None
