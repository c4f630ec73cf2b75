"""Adyen's refusal reasons as data.

Sources: docs development-resources/refusal-reasons for 0 to 32; 33 to 46 as three independent client libraries have
them. Answers give the code, webhooks the reason's name alone (`reason`), which is Adyen's own word from the same list
and not the issuer's text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Final

from processors.declines import DeclineTable
from processors.outcome import Decline
from processors.outcome import DeclineClass as Class

ERROR: Final = "Error"
"""Our code for a payment that ended in an error of Adyen's or the acquirer's, where no refusal reason says more."""
CAPTURE_FAILED: Final = "CAPTURE_FAILED"
CANCELLED: Final = "CANCELLATION"

INVALID_AMOUNT: Final = "7"
"""The one refusal that is about our request and not about the payer: it burns no step."""

DECLINES: Final = DeclineTable(
    {
        "2": Class.DO_NOT_HONOR,
        "3": Class.DO_NOT_HONOR,
        "4": Class.PROCESSOR_ERROR,
        "5": Class.INVALID_PAYMENT_METHOD,
        "6": Class.EXPIRED,
        "8": Class.INVALID_PAYMENT_METHOD,
        "9": Class.ISSUER_UNAVAILABLE,
        "10": Class.NOT_PERMITTED,
        "11": Class.AUTHENTICATION_REQUIRED,
        "12": Class.INSUFFICIENT_FUNDS,
        "14": Class.FRAUD,
        # 17 to 19, 33, 36 and 43 want a PIN: the payer must be there.
        "17": Class.AUTHENTICATION_REQUIRED,
        "18": Class.AUTHENTICATION_REQUIRED,
        "19": Class.AUTHENTICATION_REQUIRED,
        "20": Class.FRAUD,
        "21": Class.PROCESSOR_ERROR,
        "22": Class.FRAUD,
        "23": Class.NOT_PERMITTED,
        "24": Class.INVALID_PAYMENT_METHOD,
        "25": Class.INVALID_PAYMENT_METHOD,
        "26": Class.REVOKED,
        "27": Class.NOT_PERMITTED,
        "28": Class.LIMIT_EXCEEDED,
        "29": Class.LIMIT_EXCEEDED,
        "31": Class.FRAUD,
        "32": Class.INVALID_PAYMENT_METHOD,
        "33": Class.AUTHENTICATION_REQUIRED,
        "34": Class.INVALID_PAYMENT_METHOD,
        "35": Class.INVALID_PAYMENT_METHOD,
        "36": Class.AUTHENTICATION_REQUIRED,
        "37": Class.DO_NOT_HONOR,
        "38": Class.AUTHENTICATION_REQUIRED,
        "39": Class.AUTHENTICATION_REQUIRED,
        "41": Class.DO_NOT_HONOR,
        "42": Class.AUTHENTICATION_REQUIRED,
        "43": Class.AUTHENTICATION_REQUIRED,
        "44": Class.DO_NOT_HONOR,
        "45": Class.DO_NOT_HONOR,
        # Adyen stops a method that was tried too often, to spare the schemes' fees: another one is needed.
        "46": Class.NOT_PERMITTED,
        ERROR: Class.PROCESSOR_ERROR,
        CAPTURE_FAILED: Class.PROCESSOR_ERROR,
        CANCELLED: Class.PROCESSOR_ERROR,
    }
)

NAMES: Final[Mapping[str, str]] = {
    "refused": "2",
    "referral": "3",
    "acquirer error": "4",
    "blocked card": "5",
    "expired card": "6",
    "invalid amount": INVALID_AMOUNT,
    "invalid card number": "8",
    "issuer unavailable": "9",
    "not supported": "10",
    "3d not authenticated": "11",
    "not enough balance": "12",
    "acquirer fraud": "14",
    "fraud": "20",
    "not submitted": "21",
    "fraud-cancelled": "22",
    "transaction not permitted": "23",
    "cvc declined": "24",
    "restricted card": "25",
    "revocation of auth": "26",
    "declined non generic": "27",
    "withdrawal amount exceeded": "28",
    "withdrawal count exceeded": "29",
    "issuer suspected fraud": "31",
    "avs declined": "32",
    "authentication required": "38",
}
"""The reasons that the documents name, in small letters."""


def code_of(reason: str) -> str:
    """The refusal code of a webhook's `reason`; the reason itself, cut, where it's on no list, so that it shows."""
    return NAMES.get(" ".join(reason.lower().split()), reason.strip()[:64])


def decline(code: str, message: str, raw: str = "", advice: str = "", at: datetime | None = None) -> Decline:
    """A refusal. `raw` and `advice` are the scheme's, which come if the merchant has asked for additional data.

    `at` is when it was said.
    """
    return DECLINES.decline(code, message, network_code=_leading(raw), network_advice=_leading(advice), at=at)


def _leading(text: str) -> str:
    """The code in `05 : Do not honor` or `01 : New account information available`; empty where it has another form.

    unverified: the spaces around the colon, and that the code always leads (compare answers of a live account).
    """
    found = re.fullmatch(r"\s*([0-9A-Z]{2})\s*(?::.*)?", text, re.DOTALL)
    return found[1] if found else ""
