"""What Checkout.com's response codes mean (docs: developer-resources/codes/api-response-codes).

20xxx are declines after which a later try may succeed, 30xxx those after which it won't until payer or issuer did
something, 40xxx what the account's own risk rules stopped. Several 20xxx say that the card is of no use all the same,
so that the class is by code and not by range.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Final

from msgspec.structs import replace

from processors.declines import DeclineTable, as_class
from processors.outcome import Decline, DeclineClass

_DOCUMENTED: Final = {
    "20001": DeclineClass.DO_NOT_HONOR,
    "20002": DeclineClass.DO_NOT_HONOR,
    "20003": DeclineClass.PROCESSOR_ERROR,
    "20005": DeclineClass.DO_NOT_HONOR,
    "20014": DeclineClass.INVALID_PAYMENT_METHOD,
    "20051": DeclineClass.INSUFFICIENT_FUNDS,
    "20054": DeclineClass.EXPIRED,
    "20057": DeclineClass.NOT_PERMITTED,
    "20059": DeclineClass.FRAUD,
    "20061": DeclineClass.LIMIT_EXCEEDED,
    "20062": DeclineClass.NOT_PERMITTED,
    "20068": DeclineClass.ISSUER_UNAVAILABLE,
    "20078": DeclineClass.NOT_PERMITTED,
    "20091": DeclineClass.ISSUER_UNAVAILABLE,
    "20154": DeclineClass.AUTHENTICATION_REQUIRED,
    "20179": DeclineClass.INVALID_PAYMENT_METHOD,
    "20182": DeclineClass.NOT_PERMITTED,
    "20183": DeclineClass.FRAUD,
    "30004": DeclineClass.LOST_STOLEN,
    "30041": DeclineClass.LOST_STOLEN,
    "30043": DeclineClass.LOST_STOLEN,
}
"""Codes whose meaning was read in the documentation or in its support article on codes to test."""

_UNVERIFIED: Final = {
    "20006": DeclineClass.PROCESSOR_ERROR,
    "20012": DeclineClass.DO_NOT_HONOR,
    "20013": DeclineClass.DO_NOT_HONOR,
    "20019": DeclineClass.PROCESSOR_ERROR,
    "20020": DeclineClass.PROCESSOR_ERROR,
    "20030": DeclineClass.PROCESSOR_ERROR,
    "20031": DeclineClass.INVALID_PAYMENT_METHOD,
    "20039": DeclineClass.INVALID_PAYMENT_METHOD,
    "20046": DeclineClass.ACCOUNT_CLOSED,
    "20052": DeclineClass.INVALID_PAYMENT_METHOD,
    "20053": DeclineClass.INVALID_PAYMENT_METHOD,
    "20056": DeclineClass.INVALID_PAYMENT_METHOD,
    "20058": DeclineClass.NOT_PERMITTED,
    "20063": DeclineClass.DO_NOT_HONOR,
    "20065": DeclineClass.LIMIT_EXCEEDED,
    "20072": DeclineClass.NOT_PERMITTED,
    "20087": DeclineClass.INVALID_PAYMENT_METHOD,
    "20092": DeclineClass.ISSUER_UNAVAILABLE,
    "20093": DeclineClass.NOT_PERMITTED,
    "20094": DeclineClass.PROCESSOR_ERROR,
    "20096": DeclineClass.PROCESSOR_ERROR,
    "20099": DeclineClass.DO_NOT_HONOR,
    "20100": DeclineClass.INVALID_PAYMENT_METHOD,
    "20101": DeclineClass.INVALID_PAYMENT_METHOD,
    "20103": DeclineClass.NOT_PERMITTED,
    "20104": DeclineClass.PROCESSOR_ERROR,
    "20105": DeclineClass.PROCESSOR_ERROR,
    "20106": DeclineClass.PROCESSOR_ERROR,
    "20150": DeclineClass.AUTHENTICATION_REQUIRED,
    "20151": DeclineClass.AUTHENTICATION_REQUIRED,
    "20152": DeclineClass.AUTHENTICATION_REQUIRED,
    "20153": DeclineClass.AUTHENTICATION_REQUIRED,
    "30007": DeclineClass.LOST_STOLEN,
    "30015": DeclineClass.INVALID_PAYMENT_METHOD,
    "30033": DeclineClass.EXPIRED,
    "30034": DeclineClass.FRAUD,
    "30036": DeclineClass.NOT_PERMITTED,
    "30046": DeclineClass.ACCOUNT_CLOSED,
    "40101": DeclineClass.FRAUD,
    "40201": DeclineClass.FRAUD,
    "40202": DeclineClass.FRAUD,
    "40203": DeclineClass.FRAUD,
    "40204": DeclineClass.FRAUD,
    "40205": DeclineClass.FRAUD,
}
"""Unverified: the meanings are remembered; compare each with the table on the page of response codes."""

DECLINES: Final = DeclineTable(_DOCUMENTED | _UNVERIFIED)

RANGES: Final = {"30": DeclineClass.NOT_PERMITTED, "40": DeclineClass.FRAUD}
"""What a code is taken for that is not in the table and lies in a range that is hard throughout."""

_RAW: Final = {"20179": "79", "20182": "82", "20183": "83"}


def network_code(code: str) -> str:
    """The card scheme's own code, which ends a code of the first hundred (docs: common response codes to test)."""
    plain = re.fullmatch(r"[23]00(\d\d)", code)
    return plain.group(1) if plain else _RAW.get(code, "")


def decline(code: str, message: str, advice: str, at: datetime | None) -> Decline:
    """A refusal in all three layers; `advice` is the scheme's, and `at` is when it was said."""
    said = DECLINES.decline(code, message, network_code=network_code(code), network_advice=advice, at=at)
    hard = RANGES.get(code[:2])
    if said.mapped or hard is None:
        return said
    return replace(as_class(said, hard), mapped=False)
