"""GoCardless' reasons for a payment that failed, in our words.

The causes of events: facts of the public API reference ("Event details", payments and mandates). The first group come
as the error of a payment that isn't even made (`errors[].reason`), the mandate's own states among them.
"""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from processors.declines import DeclineTable
from processors.gocardless.wire import ApiDetails
from processors.outcome import Advice, Decline, DeclineClass

INACTIVE: Final = "mandate_is_inactive"
AT_CREATION: Final = frozenset({INACTIVE, "mandate_replaced", "bank_account_disabled"})
"""Reasons of a 422 that are the payer's side, and no fault of the request."""

DECLINES: Final = DeclineTable(
    {
        INACTIVE: DeclineClass.REVOKED,
        "mandate_cancelled": DeclineClass.REVOKED,
        "mandate_failed": DeclineClass.REVOKED,
        "mandate_blocked": DeclineClass.REVOKED,
        "mandate_expired": DeclineClass.EXPIRED,
        "mandate_consumed": DeclineClass.EXPIRED,
        # The payer alone can resume it.
        "mandate_suspended_by_payer": DeclineClass.AUTHENTICATION_REQUIRED,
        # The old one is charged no more; the event that names the new one mends the method.
        "mandate_replaced": DeclineClass.INVALID_PAYMENT_METHOD,
        "bank_account_disabled": DeclineClass.INVALID_PAYMENT_METHOD,
        "insufficient_funds": DeclineClass.INSUFFICIENT_FUNDS,
        # A bank's way of saying the same, as the description of the cause tells.
        "refer_to_payer": DeclineClass.INSUFFICIENT_FUNDS,
        "bank_account_closed": DeclineClass.ACCOUNT_CLOSED,
        "payer_deceased": DeclineClass.ACCOUNT_CLOSED,
        "invalid_bank_details": DeclineClass.INVALID_PAYMENT_METHOD,
        # The mandate follows the payer to another bank, and the event `transferred` mends the method.
        "bank_account_transferred": DeclineClass.INVALID_PAYMENT_METHOD,
        "account_transferred": DeclineClass.INVALID_PAYMENT_METHOD,
        "direct_debit_not_enabled": DeclineClass.NOT_PERMITTED,
        "account_blocked_for_any_financial_transaction": DeclineClass.NOT_PERMITTED,
        "payment_stopped": DeclineClass.NOT_PERMITTED,
        "payment_violated_mandate_parameters": DeclineClass.NOT_PERMITTED,
        "authorisation_disputed": DeclineClass.FRAUD,
        # An ACH return at the request of our side's bank, which follows a dispute of the authorisation.
        "return_on_odfi_request": DeclineClass.FRAUD,
        # The payer took the money back within the eight weeks in which no reason is needed: nobody charges again by
        # himself after that.
        "refund_requested": DeclineClass.AUTHENTICATION_REQUIRED,
        "customer_approval_denied": DeclineClass.AUTHENTICATION_REQUIRED,
        "insufficient_payment_permissions": DeclineClass.AUTHENTICATION_REQUIRED,
        "daily_payment_limit_reached": DeclineClass.LIMIT_EXCEEDED,
        "bank_declined_payment": DeclineClass.DO_NOT_HONOR,
        "other": DeclineClass.DO_NOT_HONOR,
        "test_failure": DeclineClass.PROCESSOR_ERROR,
    }
)

NEVER: Final = frozenset({"payer_deceased"})
"""After these nobody is asked for another method."""


def decline(code: str, details: ApiDetails | None = None) -> Decline:
    """A refusal under GoCardless' code, with what the scheme added."""
    details = details or ApiDetails()
    said = DECLINES.decline(code, details.description, network_code=scheme_code(details))
    return replace(said, advice=Advice.NEVER) if code in NEVER else said


def scheme_code(details: ApiDetails) -> str:
    """The scheme's code under the scheme's name, `sepa_core:AM04`: alone, some are the numbers of card networks."""
    return f"{details.scheme or 'scheme'}:{details.reason_code}" if details.reason_code else ""
