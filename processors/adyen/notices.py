"""What Adyen's webhooks say: their envelopes, and the event that each notification is. Pure, and nothing is fetched.

What moves money follows from the eight signed fields; the rest of a notification says why, when and by whom, and of
a capture or a cancellation which way it moved.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import msgspec
from msgspec.structs import replace

from processors.adyen import disputes, returns, signatures
from processors.adyen.declines import CANCELLED, CAPTURE_FAILED, INVALID_AMOUNT, code_of, decline
from processors.adyen.mapping import moment, money_of
from processors.adyen.wire import Entry, Envelope, Item, SignedEvent, TokenEvent, entry
from processors.errors import DeliveryMalformedError, SignatureInvalidError
from processors.events import EventKind, MoneyMoved, Notice, ProcessorEvent, RawDelivery
from processors.money import Money
from processors.outcome import Canceled, ChargeOutcome, Declined, Rejected, Succeeded
from processors.reading import delivered, readable
from processors.values import Secret

TOKENS: Final = {
    "recurring.token.created": EventKind.METHOD_ACTIVATED,
    "recurring.token.alreadyExisting": EventKind.METHOD_ACTIVATED,
    # The same token with new details, as a renewed card's date.
    "recurring.token.updated": EventKind.METHOD_ACTIVATED,
    "recurring.token.disabled": EventKind.METHOD_REVOKED,
}
UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What a body comes to that is none. It's read before anything proves who sent it: it may be nested without end."""

OTHER: Final = "other:"
"""How the kind of a signed webhook begins that is neither of the standard ones nor about a token."""

REVERSALS: Final = frozenset({"CAPTURE_FAILED", "CANCELLATION", "TECHNICAL_CANCEL", "EXPIRE"})
"""What undoes an authorisation that counted as money: its capture failed, or somebody cancelled it there before, or,
where the account does not capture by itself against what it should, it ran out."""
REFUNDS: Final = frozenset({"REFUND", "REFUND_FAILED", "REFUNDED_REVERSED", "POSTPONED_REFUND"})
RECAPTURED: Final = frozenset({"transaction recaptured", "transaction auto-recaptured"})
"""The `reason` of a capture that was made again after it had failed (docs: online-payments/capture)."""

EVENTS: Final = frozenset(
    {
        EventKind.CHARGE_SUCCEEDED,
        EventKind.CHARGE_FAILED,
        EventKind.CHARGE_REVERSED,
        EventKind.CHARGE_REINSTATED,
        EventKind.REFUND_CREATED,
        EventKind.REFUND_SUCCEEDED,
        EventKind.REFUND_FAILED,
        EventKind.REFUND_REVERSED,
        EventKind.METHOD_ACTIVATED,
        EventKind.METHOD_REVOKED,
        EventKind.IGNORED,
        *(step.stage.event for step in disputes.STEPS.values()),
    }
)
"""All others are impossible: Adyen tells of no pending payment, says won or lost of a dispute and nothing between,
keeps the token when a card is renewed, tells of no expired or suspended one, and of no account that it locks."""


def verified(delivery: RawDelivery, keys: Sequence[bytes], environment: str) -> tuple[Notice, ...]:
    """The notices of a delivery; raises WebhookError unless all of it is signed and of this environment."""
    if _is_standard(delivery.body):
        return _standard_notices(delivery.body, keys, environment)
    signatures.check_body(delivery.header(signatures.HEADER), delivery.body, keys)
    return (_signed_notice(delivery.body, environment),)


def _is_standard(body: bytes) -> bool:
    """Nothing is believed of the body for this: it only says where its signatures must stand."""
    return "notificationItems" in (readable(body, dict[str, msgspec.Raw]) or {})


def _standard_notices(body: bytes, keys: Sequence[bytes], environment: str) -> tuple[Notice, ...]:
    """Every item is checked before any counts; what is kept is the bytes of each."""
    envelope = delivered(body, Envelope, "the webhook")
    raw = [bytes(wrapped.item) for wrapped in envelope.notification_items]
    items = [delivered(one, Item, "a notification of the webhook") for one in raw]
    if not items:
        raise SignatureInvalidError("the webhook holds no notification, so that nothing of it is signed")
    for item in items:
        signatures.check_item(item, keys)
    _same_environment("live" if envelope.live == "true" else "test", environment)
    return tuple(Notice(signatures.item_key(item), item.event_code, one) for item, one in zip(items, raw, strict=True))


def _signed_notice(body: bytes, environment: str) -> Notice:
    told = delivered(body, SignedEvent, "the signed notification")
    if told.environment:
        _same_environment(told.environment, environment)
    if told.type not in TOKENS:
        return Notice(signatures.body_key(body), OTHER + told.type, body)
    return Notice(signatures.token_key(delivered(body, TokenEvent, f"the {told.type} notification")), told.type, body)


def _same_environment(told: str, environment: str) -> None:
    if told != environment:
        raise DeliveryMalformedError(f"a {told} webhook came to a connection that is {environment}")


def event(notice: Notice, now: datetime) -> ProcessorEvent:
    """What one notice says; raises DeliveryMalformedError, or MoneyError for an amount that can't be read.

    `now` stands for the time of one that means nothing to us.
    """
    if notice.kind.startswith(OTHER):
        said = ProcessorEvent(EventKind.IGNORED, now)
    elif notice.kind in TOKENS:
        said = _token_event(delivered(notice.body, TokenEvent, f"the {notice.kind} notification"))
    else:
        said = _item_event(delivered(notice.body, Item, f"the {notice.kind} notification"))
    return replace(said, detail=notice.kind.removeprefix(OTHER), event_id=notice.key or "")


def _token_event(told: TokenEvent) -> ProcessorEvent:
    token = Secret(told.data.stored_payment_method_id)
    return ProcessorEvent(TOKENS[told.type], _at(told.created_at), token=token, account_ref=told.data.merchant_account)


def _item_event(item: Item) -> ProcessorEvent:
    at = _at(item.event_date)
    said = _said(item, at)
    return replace(said, occurred_at=at, account_ref=item.merchant_account_code)


def _said(item: Item, at: datetime) -> ProcessorEvent:
    """By the event's code; raises MoneyError, DeliveryMalformedError."""
    succeeded = item.success == "true"
    match item.event_code:
        case "AUTHORISATION" if item.amount is not None and item.amount.value == 0:
            return _set_up(item, entry(item.additional_data, Entry.TOKEN), at)
        case "RECURRING_CONTRACT":
            return _set_up(item, item.psp_reference, at)
        case "AUTHORISATION":
            return _charge(
                item, Succeeded(item.psp_reference, _money(item), at) if succeeded else _failed(item, at), at
            )
        case "OFFER_CLOSED" if succeeded:
            return _charge(item, Canceled(item.psp_reference), at)
        case "CAPTURE" if succeeded and (item.reason or "").strip().lower() in RECAPTURED:
            return _moved(item, EventKind.CHARGE_REINSTATED, at)
        case "CANCEL_OR_REFUND" if succeeded and entry(item.additional_data, Entry.ACTION) == "cancel":
            return _moved(item, EventKind.CHARGE_REVERSED, at)
        case "CANCEL_OR_REFUND" if entry(item.additional_data, Entry.ACTION) == "refund":
            return _refund(item, at)
        case code if code in REVERSALS and succeeded:
            return _moved(item, EventKind.CHARGE_REVERSED, at)
        case code if code in REFUNDS:
            return _refund(item, at)
    step = disputes.step_of(item)
    return ProcessorEvent(EventKind.IGNORED, at) if step is None else _dispute(item, step, at)


def _set_up(item: Item, token: str, at: datetime) -> ProcessorEvent:
    """A payment of nothing is what stores a method: no charge of ours is ever of nothing."""
    if item.success != "true" or not token:
        return ProcessorEvent(EventKind.IGNORED, at)
    return ProcessorEvent(EventKind.METHOD_ACTIVATED, at, token=Secret(token))


def _charge(item: Item, outcome: ChargeOutcome, at: datetime) -> ProcessorEvent:
    kind = EventKind.CHARGE_SUCCEEDED if isinstance(outcome, Succeeded) else EventKind.CHARGE_FAILED
    if not item.psp_reference:
        raise DeliveryMalformedError(f"the {item.event_code} notification does not say which payment")
    return ProcessorEvent(
        kind, at, reference=item.merchant_reference or "", processor_id=item.psp_reference, outcome=outcome
    )


def _failed(item: Item, at: datetime) -> Declined | Rejected:
    reason, data = item.reason or "", item.additional_data
    code = code_of(reason)
    if code == INVALID_AMOUNT:
        return Rejected(f"refused_{code}", "Adyen refused the amount")
    said = decline(code, reason, entry(data, Entry.RAW_REASON), entry(data, Entry.ADVICE), at)
    return Declined(said, item.psp_reference)


def _moved(item: Item, kind: EventKind, at: datetime) -> ProcessorEvent:
    """Money of a charge that moved once more. An offer or authorisation that ran out names itself, others the first."""
    money = _money(item)
    back = kind is EventKind.CHARGE_REVERSED
    code = CAPTURE_FAILED if item.event_code == "CAPTURE_FAILED" else CANCELLED
    signed = Money(-money.amount if back else money.amount, money.currency)
    return ProcessorEvent(
        kind,
        at,
        reference=item.merchant_reference or "",
        processor_id=_payment(item),
        moved=MoneyMoved(signed, f"{item.event_code}:{item.psp_reference}", at),
        decline=decline(code, item.reason or "", at=at) if back else None,
    )


def _refund(item: Item, at: datetime) -> ProcessorEvent:
    """The charge is named by its own id; our reference stands there only if it's not the refund's."""
    kind = returns.kind_of(item)
    told = item.merchant_reference or ""
    return ProcessorEvent(
        kind,
        at,
        reference="" if told.startswith(returns.MARK) else told,
        processor_id=item.original_reference or "",
        refund=returns.state(item, kind, at),
    )


def _dispute(item: Item, step: disputes.Step, at: datetime) -> ProcessorEvent:
    return ProcessorEvent(
        step.stage.event,
        at,
        reference=item.merchant_reference or "",
        processor_id=item.original_reference or "",
        dispute=disputes.state(item, step, at),
    )


def _payment(item: Item) -> str:
    return item.original_reference or (item.psp_reference if item.event_code == "EXPIRE" else "")


def _money(item: Item) -> Money:
    if item.amount is None:
        raise DeliveryMalformedError(f"the {item.event_code} notification does not say how much")
    return money_of(item.amount)


def _at(text: str) -> datetime:
    read = moment(text)
    if read is None:
        raise DeliveryMalformedError("the notification's time can't be read")
    return read
