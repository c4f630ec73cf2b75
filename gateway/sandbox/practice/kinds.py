"""What a charge at the practice processor comes to: by its payment method, by a magic amount, or as scripted.

Each kind is a course: steps, with waits between them. An account's manner may draw a course out (`charging`).
"""

from __future__ import annotations

from enum import StrEnum

import msgspec


class TokenKind(StrEnum):
    OK = "ok"
    WALLET = "wallet"
    DECLINE_INSUFFICIENT_FUNDS = "decline_insufficient_funds"
    DECLINE_DO_NOT_HONOR = "decline_do_not_honor"
    DECLINE_LIMIT_EXCEEDED = "decline_limit_exceeded"
    DECLINE_ISSUER_UNAVAILABLE = "decline_issuer_unavailable"
    DECLINE_LOST_STOLEN = "decline_lost_stolen"
    DECLINE_FRAUD = "decline_fraud"
    DECLINE_EXPIRED = "decline_expired"
    DECLINE_INVALID = "decline_invalid"
    DECLINE_NOT_PERMITTED = "decline_not_permitted"
    DECLINE_ACCOUNT_CLOSED = "decline_account_closed"
    SOFT_THEN_OK = "soft_then_ok"
    PENDING_THEN_OK = "pending_then_ok"
    PENDING_THEN_FAIL = "pending_then_fail"
    REQUIRES_ACTION = "requires_action"
    CAPTURE_LATER = "capture_later"
    CAPTURE_FAILS = "capture_fails"
    PARTIAL_CAPTURE = "partial_capture"
    OVER_PAYMENT = "over_payment"
    RETRIED_THEN_OK = "retried_then_ok"
    RETRIED_THEN_FAIL = "retried_then_fail"
    LATE_FAILURE = "late_failure"
    LATE_FAILURE_THEN_PAID = "late_failure_then_paid"
    CHARGED_BACK = "charged_back"
    CHARGED_BACK_THEN_CANCELLED = "charged_back_then_cancelled"
    REJECT = "reject"
    SETUP_FAILS = "setup_fails"


class Refusal(msgspec.Struct, frozen=True):
    """A decline in the processor's words and the network's. Advice 03 and 21 mean: do not try again."""

    code: str
    message: str
    network_code: str = ""
    network_advice: str = ""


class Look(msgspec.Struct, frozen=True):
    """What the payer's page shows for a kind, and what the stored method looks like."""

    title: str
    brand: str
    last4: str


class Move(StrEnum):
    """One thing that happens to a charge."""

    SUCCEED = "succeed"
    FAIL = "fail"
    FAIL_AND_RETRY = "fail_and_retry"
    REQUIRE_ACTION = "require_action"
    AUTHORIZE = "authorize"
    LATE_FAILURE = "late_failure"
    LATE_FAILURE_SETTLED = "late_failure_settled"
    PAY_AGAIN = "pay_again"
    CHARGE_BACK = "charge_back"
    CANCEL_CHARGEBACK = "cancel_chargeback"


class Wait(StrEnum):
    """How long until a step: nothing, or one of the account's delays."""

    NONE = "none"
    PENDING = "pending"
    CAPTURE = "capture"
    RETRY = "retry"
    LATE_FAILURE = "late_failure"
    CHARGEBACK = "chargeback"
    MADE_GOOD = "made_good"


class Step(msgspec.Struct, frozen=True):
    """`percent` of the amount is taken by `succeed`; `refusal` is why a step fails; `after_s` outranks `wait`."""

    move: Move
    wait: Wait = Wait.NONE
    refusal: Refusal | None = None
    percent: int = 100
    after_s: float | None = None


INSUFFICIENT_FUNDS = Refusal("insufficient_funds", "The account does not hold enough.", "51", "02")
METHOD_REVOKED = Refusal("method_revoked", "The payer has withdrawn this payment method.")
METHOD_REPLACED = Refusal("method_revoked", "This payment method was replaced by another.")
METHOD_EXPIRED = Refusal("expired_card", "The payment method has expired.", "54", "01")
ACCOUNT_LOCKED = Refusal("account_locked", "The payer's account is locked.")
AUTHENTICATION_FAILED = Refusal("authentication_failed", "The payer did not confirm the payment.", "1A")
CAPTURE_FAILED = Refusal("capture_failed", "The payment was authorized, but could not be captured.")
REFUND_FAILED = Refusal("refund_failed", "The payer's bank did not take the money back.")

DECLINES = {
    TokenKind.DECLINE_INSUFFICIENT_FUNDS: INSUFFICIENT_FUNDS,
    TokenKind.DECLINE_DO_NOT_HONOR: Refusal("do_not_honor", "The bank declined without a reason.", "05"),
    TokenKind.DECLINE_LIMIT_EXCEEDED: Refusal("limit_exceeded", "The card's limit is reached.", "61"),
    TokenKind.DECLINE_ISSUER_UNAVAILABLE: Refusal("issuer_unavailable", "The bank could not be reached.", "91"),
    TokenKind.DECLINE_LOST_STOLEN: Refusal("lost_stolen", "The card was reported lost or stolen.", "43", "03"),
    TokenKind.DECLINE_FRAUD: Refusal("fraud", "The payment looks like fraud.", "59", "03"),
    TokenKind.DECLINE_EXPIRED: Refusal("expired_card", "The card has expired.", "54", "01"),
    TokenKind.DECLINE_INVALID: Refusal("invalid_method", "There is no such card.", "14", "03"),
    TokenKind.DECLINE_NOT_PERMITTED: Refusal("not_permitted", "The card may not be used for this.", "57"),
    TokenKind.DECLINE_ACCOUNT_CLOSED: Refusal("account_closed", "The bank account is closed.", "46"),
}

_SUCCEED = Step(Move.SUCCEED)
_LATE = Step(Move.LATE_FAILURE, Wait.LATE_FAILURE, INSUFFICIENT_FUNDS)
_RETRY = Step(Move.FAIL_AND_RETRY, refusal=INSUFFICIENT_FUNDS)

COURSES: dict[TokenKind, tuple[Step, ...]] = {
    TokenKind.OK: (_SUCCEED,),
    TokenKind.WALLET: (_SUCCEED,),
    TokenKind.SOFT_THEN_OK: (_SUCCEED,),
    TokenKind.PENDING_THEN_OK: (Step(Move.SUCCEED, Wait.PENDING),),
    TokenKind.PENDING_THEN_FAIL: (Step(Move.FAIL, Wait.PENDING, INSUFFICIENT_FUNDS),),
    TokenKind.REQUIRES_ACTION: (Step(Move.REQUIRE_ACTION),),
    TokenKind.CAPTURE_LATER: (Step(Move.AUTHORIZE), Step(Move.SUCCEED, Wait.CAPTURE)),
    TokenKind.CAPTURE_FAILS: (Step(Move.AUTHORIZE), Step(Move.FAIL, Wait.CAPTURE, CAPTURE_FAILED)),
    TokenKind.PARTIAL_CAPTURE: (Step(Move.SUCCEED, percent=60),),
    TokenKind.OVER_PAYMENT: (Step(Move.SUCCEED, percent=120),),
    TokenKind.RETRIED_THEN_OK: (_RETRY, Step(Move.SUCCEED, Wait.RETRY)),
    TokenKind.RETRIED_THEN_FAIL: (_RETRY, Step(Move.FAIL, Wait.RETRY, INSUFFICIENT_FUNDS)),
    TokenKind.LATE_FAILURE: (_SUCCEED, _LATE, Step(Move.LATE_FAILURE_SETTLED, Wait.MADE_GOOD)),
    TokenKind.LATE_FAILURE_THEN_PAID: (_SUCCEED, _LATE, Step(Move.PAY_AGAIN, Wait.MADE_GOOD)),
    TokenKind.CHARGED_BACK: (_SUCCEED, Step(Move.CHARGE_BACK, Wait.CHARGEBACK)),
    TokenKind.CHARGED_BACK_THEN_CANCELLED: (
        _SUCCEED,
        Step(Move.CHARGE_BACK, Wait.CHARGEBACK),
        Step(Move.CANCEL_CHARGEBACK, Wait.MADE_GOOD),
    ),
}
"""What follows a charge, but for the declines, which are one step each."""

REFUSED_AT_ONCE = frozenset({TokenKind.REJECT, TokenKind.SETUP_FAILS})
"""Kinds that no charge is made for: the request itself is refused."""

_BANK, _WALLET = "bank_debit", "wallet"

LOOKS = {
    TokenKind.OK: Look("Card that works", "visa", "4242"),
    TokenKind.WALLET: Look("Wallet that works", _WALLET, ""),
    TokenKind.DECLINE_INSUFFICIENT_FUNDS: Look("Card without funds", "visa", "0051"),
    TokenKind.DECLINE_DO_NOT_HONOR: Look("Card that the bank declines", "mastercard", "0005"),
    TokenKind.DECLINE_LIMIT_EXCEEDED: Look("Card whose limit is reached", "visa", "0061"),
    TokenKind.DECLINE_ISSUER_UNAVAILABLE: Look("Card whose bank is away", "visa", "0091"),
    TokenKind.DECLINE_LOST_STOLEN: Look("Card reported stolen", "mastercard", "0043"),
    TokenKind.DECLINE_FRAUD: Look("Card that looks like fraud", "mastercard", "0059"),
    TokenKind.DECLINE_EXPIRED: Look("Card that has expired", "visa", "0054"),
    TokenKind.DECLINE_INVALID: Look("Card that does not exist", "visa", "0014"),
    TokenKind.DECLINE_NOT_PERMITTED: Look("Card that may not be used here", "visa", "0057"),
    TokenKind.DECLINE_ACCOUNT_CLOSED: Look("Bank debit from a closed account", _BANK, "0046"),
    TokenKind.SOFT_THEN_OK: Look("Card that declines once, then works", "visa", "1051"),
    TokenKind.PENDING_THEN_OK: Look("Bank debit that arrives later", _BANK, "6789"),
    TokenKind.PENDING_THEN_FAIL: Look("Bank debit that fails later", _BANK, "6780"),
    TokenKind.REQUIRES_ACTION: Look("Card that asks the payer each time", "visa", "3220"),
    TokenKind.CAPTURE_LATER: Look("Card that is authorized, then captured", "visa", "2001"),
    TokenKind.CAPTURE_FAILS: Look("Card whose capture fails", "visa", "2002"),
    TokenKind.PARTIAL_CAPTURE: Look("Card that pays only 60 %", "visa", "2060"),
    TokenKind.OVER_PAYMENT: Look("Bank transfer of 120 %", _BANK, "2120"),
    TokenKind.RETRIED_THEN_OK: Look("Bank debit that the processor tries again", _BANK, "6710"),
    TokenKind.RETRIED_THEN_FAIL: Look("Bank debit that the processor tries again in vain", _BANK, "6711"),
    TokenKind.LATE_FAILURE: Look("Bank debit that fails after it was paid", _BANK, "6720"),
    TokenKind.LATE_FAILURE_THEN_PAID: Look("Bank debit that fails late, then is paid", _BANK, "6721"),
    TokenKind.CHARGED_BACK: Look("Bank debit that is charged back", _BANK, "6730"),
    TokenKind.CHARGED_BACK_THEN_CANCELLED: Look("Bank debit whose chargeback is cancelled", _BANK, "6731"),
    TokenKind.REJECT: Look("Card that the processor refuses to process", "visa", "0400"),
    TokenKind.SETUP_FAILS: Look("Card that can't be stored", "visa", "0002"),
}

MAGIC_AMOUNTS = dict(
    enumerate(
        (
            TokenKind.OK,
            *DECLINES,
            TokenKind.PENDING_THEN_OK,
            TokenKind.PENDING_THEN_FAIL,
            TokenKind.REQUIRES_ACTION,
            TokenKind.CAPTURE_LATER,
            TokenKind.CAPTURE_FAILS,
            TokenKind.PARTIAL_CAPTURE,
            TokenKind.OVER_PAYMENT,
            TokenKind.RETRIED_THEN_OK,
            TokenKind.RETRIED_THEN_FAIL,
            TokenKind.LATE_FAILURE,
            TokenKind.LATE_FAILURE_THEN_PAID,
            TokenKind.CHARGED_BACK,
            TokenKind.CHARGED_BACK_THEN_CANCELLED,
            TokenKind.REJECT,
        ),
        start=900_000,
    )
)
"""In minor units of any currency; heeded only where the account's manner says so."""
