"""What PayPal's codes for a refusal mean: data.

Two kinds stand in one table, as no code is in both: the `issue` of an order that is refused with 422 (docs:
api/orders/v2/errors, api/handle-payment-failures; the enumerations of the orders v2 description), and the
`processor_response.response_code` of a card in the wallet whose capture is declined (docs: processor-response-code).
"""

from __future__ import annotations

from typing import Final

from processors.declines import DeclineTable
from processors.outcome import DeclineClass

DECLINES: Final = DeclineTable(
    {
        # The wallet as a whole, for now.
        "INSTRUMENT_DECLINED": DeclineClass.DO_NOT_HONOR,
        "PAYMENT_SOURCE_DECLINED_BY_PROCESSOR": DeclineClass.DO_NOT_HONOR,
        "TRANSACTION_REFUSED": DeclineClass.DO_NOT_HONOR,
        "TRANSACTION_LIMIT_EXCEEDED": DeclineClass.LIMIT_EXCEEDED,
        # The payer can mend it.
        "PAYER_ACTION_REQUIRED": DeclineClass.AUTHENTICATION_REQUIRED,
        "REDIRECT_PAYER_FOR_ALTERNATE_FUNDING": DeclineClass.AUTHENTICATION_REQUIRED,
        "PAYER_CANNOT_PAY": DeclineClass.AUTHENTICATION_REQUIRED,
        # Another payment method is needed.
        "PAYER_ACCOUNT_RESTRICTED": DeclineClass.NOT_PERMITTED,
        "PAYER_ACCOUNT_LOCKED_OR_CLOSED": DeclineClass.ACCOUNT_CLOSED,
        "PAYMENT_SOURCE_CANNOT_BE_USED": DeclineClass.NOT_PERMITTED,
        "CARD_EXPIRED": DeclineClass.EXPIRED,
        "TOKEN_EXPIRED": DeclineClass.EXPIRED,
        "MAX_NUMBER_OF_PAYMENT_ATTEMPTS_EXCEEDED": DeclineClass.NOT_PERMITTED,
        "DECLINED_DUE_TO_RELATED_TXN": DeclineClass.NOT_PERMITTED,
        "COMPLIANCE_VIOLATION": DeclineClass.NOT_PERMITTED,
        "DOMESTIC_TRANSACTION_REQUIRED": DeclineClass.NOT_PERMITTED,
        "TRANSACTION_BLOCKED_BY_PAYEE": DeclineClass.FRAUD,
        # The payer has left the agreement, or the token was deleted. Of an order that is created, 404 is its token's.
        "AGREEMENT_ALREADY_CANCELLED": DeclineClass.REVOKED,
        "BILLING_AGREEMENT_NOT_FOUND": DeclineClass.REVOKED,
        "RESOURCE_NOT_FOUND": DeclineClass.REVOKED,
        "INVALID_RESOURCE_ID": DeclineClass.REVOKED,
        "TOKEN_ID_NOT_FOUND": DeclineClass.REVOKED,
        # A capture that says no more than its status.
        "DECLINED": DeclineClass.DO_NOT_HONOR,
        "DENIED": DeclineClass.DO_NOT_HONOR,
        "FAILED": DeclineClass.PROCESSOR_ERROR,
        # A card in the wallet.
        "0500": DeclineClass.DO_NOT_HONOR,
        "0580": DeclineClass.NOT_PERMITTED,
        "0390": DeclineClass.INVALID_PAYMENT_METHOD,
        "1330": DeclineClass.INVALID_PAYMENT_METHOD,
        "5100": DeclineClass.DO_NOT_HONOR,
        "5120": DeclineClass.INSUFFICIENT_FUNDS,
        "5140": DeclineClass.ACCOUNT_CLOSED,
        "5150": DeclineClass.NOT_PERMITTED,
        "5180": DeclineClass.INVALID_PAYMENT_METHOD,
        "5400": DeclineClass.EXPIRED,
        "5650": DeclineClass.AUTHENTICATION_REQUIRED,
        "5700": DeclineClass.NOT_PERMITTED,
        "5910": DeclineClass.NOT_PERMITTED,  # the issuer is not there, and forbids another try
        "5920": DeclineClass.ISSUER_UNAVAILABLE,
        "6300": DeclineClass.INVALID_PAYMENT_METHOD,
        "7710": DeclineClass.AUTHENTICATION_REQUIRED,
        "8000": DeclineClass.PROCESSOR_ERROR,
        "8110": DeclineClass.PROCESSOR_ERROR,
        "8220": DeclineClass.PROCESSOR_ERROR,
        "9100": DeclineClass.PROCESSOR_ERROR,
        "9500": DeclineClass.FRAUD,
        "9510": DeclineClass.FRAUD,
        "9520": DeclineClass.LOST_STOLEN,
        "PP06": DeclineClass.INVALID_PAYMENT_METHOD,
        "PPRN": DeclineClass.NOT_PERMITTED,  # "reattempt not permitted"
    }
)
"""An issue that is not listed is a fault of ours or of the account's (`PAYEE_*`, `NOT_ENABLED_*`): no decline."""

UNCLEAR: Final = frozenset(
    {
        "DUPLICATE_INVOICE_ID",
        "DUPLICATE_REQUEST_ID",
        "PAYPAL_REQUEST_ID_PREVIOUSLY_USED",
        "PREVIOUS_REQUEST_IN_PROGRESS",
    }
)
"""Refusals that say that something exists under our invoice id or key: never a decline, and no proof of nothing."""
