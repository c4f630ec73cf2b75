"""A webhook's body with its secrets and its persons taken out, for whoever asks what a stranger told us. Pure.

What is shown is on a list; everything else is not, however harmless it looks. A value is shown where its field is on
the list, it looks like what the field holds (an id, a state, an amount, a time), and every field around it is a room
whose contents we know. The rest keeps its place, so that the structure can be read: `REMOVED` stands for it. So a
processor's next field shows nothing until somebody has thought about it.

Tokens, vault ids and mandates are secrets here (law 12), so that ids count by their shape too, and in what tells of a
payment method by their prefix alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from gateway.domain.documents import read
from gateway.domain.own_reference import OURS


def _words(names: str) -> frozenset[str]:
    return frozenset(names.split())


REMOVED: Final = "[removed]"
TOO_DEEP: Final = "[more within]"
DEEPEST: Final = 30
MOST_SHOWN: Final = 200
"""Of a list's items."""

# Prefixes of what is no token, secret or mandate: Stripe's, ours, Checkout.com's, Mollie's.
PREFIXES: Final = _words(
    "acct act at att bt cas ch chk cn cnli cpmt cs cus di dlv dp dpm dsp du evt ich ii il in inpay inv ir li "
    "mbur meter mov mtr pay pch pdp pi po prc pre price prod promo py pyr re req rfd sched si sis stl sub "
    "sub_sched tr txn txr we"
)
PREFIXED: Final = re.compile(r"([a-z]+(?:_sched)?)_(?!secret)[A-Za-z0-9]{1,64}")
# Adyen's and PayPal's of payments, PayPal's of events, GoCardless's.
PLAIN: Final = re.compile(r"[0-9A-Z]{16,17}|WH-[0-9A-Z]{10,20}-[0-9A-Z]{10,20}|(?:EV|PM|RF|PO|BR|SB)[0-9A-Z]{8,30}")
OPAQUE: Final = re.compile(r"(?=.*[0-9])[A-Za-z0-9][A-Za-z0-9_.:\-]{2,63}")
OF_A_METHOD: Final = re.compile(
    r"recurring|token|mandate|vault|method|instrument|contract|setup|agreement|source|card|wallet|customer_bank", re.I
)
"""In the kind of a notice: what it names may be what a payer is charged by."""
KINDS: Final = frozenset({"type", "kind", "event_type", "event_code", "resource_type"})
WORD: Final = re.compile(r"[A-Za-z][A-Za-z0-9_.:\-]{0,79}")
NUMBER: Final = re.compile(r"-?\d{1,15}(?:\.\d{1,12})?")
VERSION: Final = re.compile(r"\d{4}-\d\d-\d\d(?:\.[a-z]+)?")
TIME: Final = re.compile(r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?(?: ?Z| UTC|[+-]\d\d:?\d\d)?)?")
GROUPED: Final = re.compile(r"[ .:_\-]")
FIELD: Final = re.compile(r"[A-Za-z][A-Za-z0-9_.\-]{0,63}")
HUMP: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def is_id(value: object) -> bool:
    if not isinstance(value, str) or may_be_card(value):
        return False
    return _has_prefix(value) or OURS.fullmatch(value) is not None or PLAIN.fullmatch(value) is not None


def _has_prefix(value: str) -> bool:
    prefixed = PREFIXED.fullmatch(value)
    return prefixed is not None and prefixed[1] in PREFIXES


def is_opaque(value: object) -> bool:
    """An id of a field that holds no token; a processor's own may look like anything."""
    return (
        isinstance(value, str)
        and OPAQUE.fullmatch(value) is not None
        and "_secret" not in value
        and not may_be_card(value)
    )


def is_ours(value: object) -> bool:
    """A reference that a gateway like this gave; a shop's own may be somebody's name."""
    return isinstance(value, str) and OURS.fullmatch(value) is not None


def is_word(value: object) -> bool:
    return isinstance(value, bool) or (isinstance(value, str) and WORD.fullmatch(value) is not None)


def may_be_card(value: object) -> bool:
    """Whether it has the digits of a card's number (ISO/IEC 7812-1: here 13 to 19, the last one by Luhn), also in
    groups. Of ids that are nothing but digits one in ten is taken for one."""
    digits = GROUPED.sub("", str(value))
    if not re.fullmatch(r"[0-9]{13,19}", digits):
        return False
    doubled = (sum(divmod(int(one) * 2, 10)) for one in digits[-2::-2])
    return (sum(doubled) + sum(int(one) for one in digits[-1::-2])) % 10 == 0


def is_amount(value: object) -> bool:
    if may_be_card(value):
        return False
    if isinstance(value, str):
        return NUMBER.fullmatch(value) is not None
    return isinstance(value, int | float) and not isinstance(value, bool)


def is_time(value: object) -> bool:
    if isinstance(value, str):
        return TIME.fullmatch(value) is not None or (value.isdigit() and 9 <= len(value) <= 10)
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10**11


def is_version(value: object) -> bool:
    return isinstance(value, str) and VERSION.fullmatch(value) is not None


def _names(kind: Callable[[object], bool], names: str) -> dict[str, Callable[[object], bool]]:
    return dict.fromkeys(names.split(), kind)


KEPT: Final[Mapping[str, Callable[[object], bool]]] = {
    **_names(
        is_id,
        "id account charge customer subscription invoice payment_intent payment payment_id refund refund_id dispute "
        "credit_note subscription_item invoice_item price product meter event event_id psp_reference "
        "original_reference action_id latest_invoice latest_charge related payout "
        "test_clock schedule balance_transaction last context parent_payment",
    ),
    **_names(is_opaque, "processor_id charge_id occurrence"),
    **_names(is_ours, "reference merchant_reference transaction_reference order_id custom_id invoice_id"),
    **_names(
        is_word,
        "object type status state kind event_type event_code resource_type action cause origin scheme stage mode "
        "currency currency_code currency_iso_code billing_reason collection_method success operation outcome "
        "decline_code dispute_status failure_code proration_behavior interval "
        "usage_type billing_scheme tax_behavior",
    ),
    **_names(
        is_amount,
        "amount amount_due amount_paid amount_remaining amount_overpaid amount_shipping amount_captured "
        "amount_refunded amount_excluding_tax total subtotal total_excluding_tax subtotal_excluding_tax "
        "starting_balance ending_balance unit_amount unit_amount_decimal quantity amount_total amount_subtotal "
        "attempt_count pending_webhooks interval_count days_until_due exponent minor withdrawn sequence "
        "pre_payment_credit_notes_amount post_payment_credit_notes_amount discount_amount tax tax_amount",
    ),
    **_names(
        is_time,
        "created created_at updated updated_at occurred_at event_date create_time update_time processed_on due_date "
        "effective_at finalized_at marked_uncollectible_at paid_at voided_at next_payment_attempt period_start "
        "period_end current_period_start current_period_end start end canceled_at cancel_at ended_at trial_end "
        "trial_start billing_cycle_anchor start_date timestamp requested_on settled_at creation_date told_at",
    ),
    **_names(is_version, "api_version"),
}
"""What each field that is shown must look like. Names as in `_plain`."""
ROOMS: Final = _words(
    "data object previous_attributes lines items price plan recurring parent subscription_details "
    "subscription_item_details invoice_item_details period status_transitions payments payment request "
    "related_object pricing price_details refunds credit_notes automatic_tax total_taxes total_tax_amounts "
    "tax_amounts tax_amount_details total_discount_amounts notification_items notification_request_item amount "
    "resource links_ids outcome moved dispute refund seller_receivable_breakdown gross_amount net_amount "
    "paypal_fee supplementary_data related_ids disputed_transactions dispute_amount transaction transactions "
    "notification subject moves amounts out_of_band_amount charge invoice subscription payment_intent "
    "credit_note trial_settings"
)
"""Fields whose contents are looked at. What lies in any other is removed whole, but for its structure."""
MONEY: Final = _words("amount gross_amount net_amount paypal_fee dispute_amount withdrawn total tax_amount unit_amount")
"""Rooms in which `value` is an amount."""
PAYMENTS: Final = frozenset({"transaction", "transactions", "dispute", "refund", "charge"})
"""Rooms whose `id` is one of a payment, whatever it looks like."""


NAMES: Final = _words(
    "account_holder address brand bin card card_summary city company country customer_address customer_details "
    "customer_email customer_name customer_phone customer_shipping description email exp_month exp_year expiry_date "
    "family_name first_name given_name holder_name household_name last4 last_name line1 line2 metadata name number "
    "payer payment_method payment_method_details payment_settings phone postal_code reason shipping state url"
)
"""Of fields that are never shown, but whose names tell nothing even where somebody could have made them up."""


def redacted(body: bytes) -> str:
    """The body as readable text, with nothing in it that may be a secret or tell of a person."""
    document = read(body)
    if document is None:
        return f"[{len(body)} bytes that can't be read]"
    within = _Within(of_method=_tells_of_method(document))
    return msgspec.json.format(msgspec.json.encode(_shown(document, within)), indent=2).decode()


class _Within(msgspec.Struct, frozen=True):
    """Where a value stands: in which field, of which room, how deep, and whether all rooms around it are known."""

    of_method: bool
    field: str = ""
    room: str = ""
    is_open: bool = True
    depth: int = 0

    def into(self, field: str, *, is_room: bool) -> _Within:
        is_open = self.is_open and (not is_room or field in ROOMS)
        return _Within(self.of_method, field, self.field, is_open, self.depth + 1)


def _shown(value: Any, within: _Within) -> Any:
    """A value as it may be shown there."""
    if within.depth > DEEPEST:
        return TOO_DEEP
    if isinstance(value, Mapping):
        return {
            _label(str(name), number, within): _shown(
                inner, within.into(_plain(str(name)), is_room=isinstance(inner, Mapping | list))
            )
            for number, (name, inner) in enumerate(value.items(), 1)
        }
    if isinstance(value, list):
        # Items stand where their list does.
        items = [_shown(one, msgspec.structs.replace(within, depth=within.depth + 1)) for one in value[:MOST_SHOWN]]
        return [*items, *([f"[{len(value) - MOST_SHOWN} more]"] if len(value) > MOST_SHOWN else [])]
    if value is None or isinstance(value, bool):
        return value
    return value if within.is_open and _is_listed(value, within) else REMOVED


def _label(name: str, number: int, within: _Within) -> str:
    """A field's name. In a room that we don't know it may be what somebody made up, as in metadata."""
    field = _plain(name)
    is_known = field in KEPT or field in ROOMS or field in NAMES
    return name if is_known or (within.is_open and FIELD.fullmatch(name)) else f"[field {number}]"


def _is_listed(value: object, within: _Within) -> bool:
    if within.field == "value":
        return within.room in MONEY and is_amount(value)
    if within.of_method and KEPT.get(within.field) in (is_id, is_opaque):
        return isinstance(value, str) and _has_prefix(value)
    if within.field == "id" and within.room in PAYMENTS:
        return is_opaque(value)
    looks_right = KEPT.get(within.field)
    return looks_right is not None and looks_right(value)


def _tells_of_method(document: Any) -> bool:
    """By its own kind, or by that of the one thing in it (XML)."""
    if not isinstance(document, Mapping):
        return False
    inner = next(iter(document.values()), None) if len(document) == 1 else None
    kinds = [value for name, value in document.items() if _plain(str(name)) in KINDS]
    return any(OF_A_METHOD.search(str(kind)) for kind in kinds) or _tells_of_method(inner)


def _plain(name: str) -> str:
    """A field's name as the lists have it: `pspReference` and `psp-reference` are psp_reference."""
    return HUMP.sub("_", name).replace("-", "_").lower()
