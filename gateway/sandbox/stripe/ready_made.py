"""The ready-made test payment methods: what each looks like and how it behaves, in one place.

Names, numbers and behaviour of cards and bank accounts are those of Stripe's page on testing (docs: testing). A card is
named ``pm_card_…`` or ``tok_…``, or given by its number; a bank account by IBAN or account number, or as
``pm_sepaDebit…``, ``pm_usBankAccount…``. Beyond that page, as shortcuts: any other ``pm_name`` is a Visa card that
pays, or one that is declined if "declined" stands in its name.

Here a bank debit takes three days of sandbox time to succeed or fail.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

DEBIT_S = 3 * 86400
OWN_ID = re.compile(r"pm_1[A-Za-z0-9]{23}")


@dataclass(frozen=True, slots=True)
class Decline:
    """Why a charge fails: `reason` is the decline_code of a card error."""

    code: str = "card_declined"
    reason: str | None = "generic_decline"
    message: str = "Your card was declined."


@dataclass(frozen=True, slots=True)
class ReadyMade:
    """One method. `asks`: when the payer must authenticate. `stores`: whether it can be saved at all."""

    number: str
    kind: str = "card"
    brand: str = "visa"
    funding: str = "credit"
    country: str = "US"
    decline: Decline | None = None
    stores: bool = True
    asks: str = ""  # "always", or "unless_set_up": not off session once a setup was authenticated
    dispute: str = ""  # the reason of the dispute that follows a charge at once
    refund: str = "succeeded"  # or "pending", "failed": what becomes of a refund

    @property
    def last4(self) -> str:
        return self.number[-4:]


def _refused(number: str, code: str = "card_declined", reason: str | None = None, message: str = "") -> ReadyMade:
    return ReadyMade(number, decline=Decline(code, reason, message or "Your card was declined."), stores=False)


def _debit(kind: str, number: str, country: str, code: str = "", dispute: str = "") -> ReadyMade:
    decline = Decline(code, None, f"The debit failed: {code.replace('_', ' ')}.") if code else None
    return ReadyMade(number, kind, "", "", country, decline, dispute=dispute)


GENERIC = _refused("4000000000000002", reason="generic_decline")
POOR = _refused("4000000000009995", reason="insufficient_funds", message="Your card has insufficient funds.")
EXPIRED = _refused("4000000000000069", "expired_card", None, "Your card has expired.")
WRONG_CVC = _refused("4000000000000127", "incorrect_cvc", None, "Your card's security code is incorrect.")
BROKEN = _refused(
    "4000000000000119",
    "processing_error",
    None,
    "An error occurred while processing your card. Try again in a little bit.",
)
CARDS = {
    "visa": ReadyMade("4242424242424242"),
    "visa_debit": ReadyMade("4000056655665556", funding="debit"),
    "mastercard": ReadyMade("5555555555554444", brand="mastercard"),
    "mastercard_debit": ReadyMade("5200828282828210", brand="mastercard", funding="debit"),
    "mastercard_prepaid": ReadyMade("5105105105105100", brand="mastercard", funding="prepaid"),
    "amex": ReadyMade("378282246310005", brand="amex"),
    "discover": ReadyMade("6011111111111117", brand="discover"),
    "diners": ReadyMade("3056930009020004", brand="diners"),
    "jcb": ReadyMade("3566002020360505", brand="jcb", country="JP"),
    "unionpay": ReadyMade("6200000000000005", brand="unionpay"),
    "us": ReadyMade("4242424242424242"),
    "de": ReadyMade("4000002760000016", country="DE"),
    "fr": ReadyMade("4000002500000003", country="FR"),
    "gb": ReadyMade("4000008260000000", country="GB"),
    "chargeDeclined": GENERIC,
    "chargeDeclinedInsufficientFunds": POOR,
    "chargeDeclinedLostCard": _refused("4000000000009987", reason="lost_card"),
    "chargeDeclinedStolenCard": _refused("4000000000009979", reason="stolen_card"),
    "chargeDeclinedVelocityLimitExceeded": _refused("4000000000006975", reason="card_velocity_exceeded"),
    "chargeDeclinedExpiredCard": EXPIRED,
    "chargeDeclinedIncorrectCvc": WRONG_CVC,
    "chargeDeclinedProcessingError": BROKEN,
    "chargeCustomerFail": ReadyMade("4000000000000341", decline=Decline()),
    "authenticationRequired": ReadyMade("4000002760003184", country="DE", asks="always"),
    "authenticationRequiredOnSetup": ReadyMade("4000002500003155", country="FR", asks="unless_set_up"),
    "authenticationRequiredSetupForOffSession": ReadyMade("4000003800000446", asks="unless_set_up"),
    "authenticationRequiredChargeDeclinedInsufficientFunds": ReadyMade(
        "4000008260003178", country="GB", asks="always",
        decline=Decline(reason="insufficient_funds", message="Your card has insufficient funds."),
    ),
    "threeDSecure2Required": ReadyMade("4000000000003220", asks="always"),
    "threeDSecureRequired": ReadyMade("4000000000003063", asks="always"),
    "createDispute": ReadyMade("4000000000000259", dispute="fraudulent"),
    "createDisputeProductNotReceived": ReadyMade("4000000000002685", dispute="product_not_received"),
    "createDisputeInquiry": ReadyMade("4000000000001976", dispute="inquiry"),
    "pendingRefund": ReadyMade("4000000000007726", refund="pending"),
    "refundFail": ReadyMade("4000000000005126", refund="failed"),
}  # fmt: skip
DEBITS = {
    "sepaDebit": _debit("sepa_debit", "DE89370400440532013000", "DE"),
    "sepaDebit_fails": _debit("sepa_debit", "DE62370400440532013001", "DE", "insufficient_funds"),
    "sepaDebit_disputed": _debit("sepa_debit", "DE35370400440532013002", "DE", dispute="insufficient_funds"),
    "usBankAccount_success": _debit("us_bank_account", "000123456789", "US"),
    "usBankAccount_accountClosed": _debit("us_bank_account", "000111111113", "US", "account_closed"),
    "usBankAccount_noAccount": _debit("us_bank_account", "000111111116", "US", "no_account"),
    "usBankAccount_insufficientFunds": _debit("us_bank_account", "000222222227", "US", "insufficient_funds"),
    "usBankAccount_debitNotAuthorized": _debit("us_bank_account", "000333333335", "US", "debit_not_authorized"),
}
ALL = CARDS | DEBITS
# the same behaviour in other countries
ALIASES = {
    "AT611904300234573201": "sepaDebit",
    "AT861904300235473202": "sepaDebit_fails",
    "DE78370400440532013004": "sepaDebit_fails",
    "AT051904300235473205": "sepaDebit_fails",
    "AT591904300235473203": "sepaDebit_disputed",
}
BY_NUMBER = {method.number: name for name, method in reversed(ALL.items())} | ALIASES


def by_name(id: str) -> str | None:
    """The key in `ALL` that a ``pm_…`` or ``tok_…`` name stands for; None for ids and anything else."""
    if OWN_ID.fullmatch(id) or not id.startswith(("pm_", "tok_")):
        return None
    name = id.partition("_")[2].removeprefix("card_")
    for known in (name, name.removeprefix("visa_")):
        if known in ALL:
            return known
    lower = name.lower()
    if lower.startswith("sepadebit"):
        return "sepaDebit"
    if lower.startswith("usbankaccount"):
        return "usBankAccount_success"
    return "chargeDeclined" if "declined" in lower else "visa"


def by_number(number: str, kind: str) -> str | None:
    """The key in `ALL` of a card or account number; unknown bank accounts pay, unknown cards are no test cards."""
    plain = re.sub(r"[\s-]", "", number).upper()
    found = BY_NUMBER.get(plain)
    if found is not None and ALL[found].kind == kind:
        return found
    return {"sepa_debit": "sepaDebit", "us_bank_account": "usBankAccount_success"}.get(kind)
