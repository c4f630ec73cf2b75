"""What a payment method of the practice processor does when it's charged: chosen by the one who types it in."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class TokenKind(StrEnum):
    OK = "ok"
    DECLINE_INSUFFICIENT_FUNDS = "decline_insufficient_funds"
    DECLINE_DO_NOT_HONOR = "decline_do_not_honor"
    DECLINE_LOST_STOLEN = "decline_lost_stolen"
    DECLINE_EXPIRED = "decline_expired"
    SOFT_THEN_OK = "soft_then_ok"
    PENDING_THEN_OK = "pending_then_ok"
    PENDING_THEN_FAIL = "pending_then_fail"
    REQUIRES_ACTION = "requires_action"
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


INSUFFICIENT_FUNDS = Refusal("insufficient_funds", "The account does not hold enough.", "51", "02")
METHOD_REVOKED = Refusal("method_revoked", "The payer has withdrawn this payment method.")
AUTHENTICATION_FAILED = Refusal("authentication_failed", "The payer did not confirm the payment.", "1A")

DECLINES = {
    TokenKind.DECLINE_INSUFFICIENT_FUNDS: INSUFFICIENT_FUNDS,
    TokenKind.DECLINE_DO_NOT_HONOR: Refusal("do_not_honor", "The bank declined without a reason.", "05"),
    TokenKind.DECLINE_LOST_STOLEN: Refusal("lost_stolen", "The card was reported lost or stolen.", "43", "03"),
    TokenKind.DECLINE_EXPIRED: Refusal("expired_card", "The card has expired.", "54", "01"),
}

LOOKS = {
    TokenKind.OK: Look("Card that works", "visa", "4242"),
    TokenKind.DECLINE_INSUFFICIENT_FUNDS: Look("Card without funds", "visa", "0051"),
    TokenKind.DECLINE_DO_NOT_HONOR: Look("Card that the bank declines", "mastercard", "0005"),
    TokenKind.DECLINE_LOST_STOLEN: Look("Card reported stolen", "mastercard", "0043"),
    TokenKind.DECLINE_EXPIRED: Look("Card that has expired", "visa", "0054"),
    TokenKind.SOFT_THEN_OK: Look("Card that declines once, then works", "visa", "1051"),
    TokenKind.PENDING_THEN_OK: Look("Bank debit that arrives later", "bank_debit", "6789"),
    TokenKind.PENDING_THEN_FAIL: Look("Bank debit that fails later", "bank_debit", "6780"),
    TokenKind.REQUIRES_ACTION: Look("Card that asks the payer each time", "visa", "3220"),
    TokenKind.REJECT: Look("Card that the processor refuses to process", "visa", "0400"),
    TokenKind.SETUP_FAILS: Look("Card that can't be stored", "visa", "0002"),
}
