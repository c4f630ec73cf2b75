"""What Mollie's reasons for a payment that failed mean.

Sources: `failureReason` of cards and `bankReasonCode` of SEPA debits (docs: reference/get-payment; Mollie's help
centre, "What do the various reason codes to failed direct debits mean"). unverified: which of the banks' codes are
worth another try; compare with the debits that failed in a live account.
"""

from __future__ import annotations

from typing import Final

from processors.declines import DeclineTable
from processors.outcome import DeclineClass

NO_MANDATE: Final = "no_suitable_mandates"
"""Ours for a 422 that says so in words: Mollie's errors carry no codes (`api.error_code`)."""

DECLINES: Final = DeclineTable(
    {
        # cards
        "insufficient_funds": DeclineClass.INSUFFICIENT_FUNDS,
        "card_declined": DeclineClass.DO_NOT_HONOR,
        "refused_by_issuer": DeclineClass.DO_NOT_HONOR,
        "unknown_reason": DeclineClass.DO_NOT_HONOR,
        "authentication_required": DeclineClass.AUTHENTICATION_REQUIRED,
        "authentication_failed": DeclineClass.AUTHENTICATION_REQUIRED,
        "authentication_abandoned": DeclineClass.AUTHENTICATION_REQUIRED,
        "authentication_unavailable_acs": DeclineClass.AUTHENTICATION_REQUIRED,
        "card_expired": DeclineClass.EXPIRED,
        "inactive_card": DeclineClass.INVALID_PAYMENT_METHOD,
        "invalid_card_number": DeclineClass.INVALID_PAYMENT_METHOD,
        "invalid_card_holder_name": DeclineClass.INVALID_PAYMENT_METHOD,
        "invalid_card_type": DeclineClass.INVALID_PAYMENT_METHOD,
        "invalid_cvv": DeclineClass.INVALID_PAYMENT_METHOD,
        "possible_fraud": DeclineClass.FRAUD,
        # SEPA debits
        "AM04": DeclineClass.INSUFFICIENT_FUNDS,
        "MS02": DeclineClass.DO_NOT_HONOR,
        "MS03": DeclineClass.DO_NOT_HONOR,
        "SL01": DeclineClass.DO_NOT_HONOR,
        "AC01": DeclineClass.INVALID_PAYMENT_METHOD,
        "AC04": DeclineClass.ACCOUNT_CLOSED,
        "AC06": DeclineClass.NOT_PERMITTED,
        "AG01": DeclineClass.NOT_PERMITTED,
        "AG02": DeclineClass.PROCESSOR_ERROR,
        "MD01": DeclineClass.REVOKED,
        "MD06": DeclineClass.NOT_PERMITTED,
        "MD07": DeclineClass.ACCOUNT_CLOSED,
        # a mandate that is gone
        NO_MANDATE: DeclineClass.REVOKED,
    }
)

OBJECTION: Final = "MD06"
"""The payer took the debit back, which needs no reason for eight weeks and can't be contested (Mollie's help centre,
"reversals of SEPA Direct Debit transactions"). Any other code of a bank is a debit that failed."""
