"""Braintree's decline codes and gateway rejections, as data.

Codes of four digits are the processors' (docs: reference/general/processor-responses/authorization-responses), words
the gateway's own (docs: graphql GatewayRejectionReason). Which code has which class is ours; where Braintree calls a
decline hard, the class is one that stops the method or asks its payer. For a code that isn't listed Braintree's
`declineType` is what is left.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from processors.declines import DeclineTable
from processors.outcome import DeclineClass as Class

DECLINES: Final = DeclineTable(
    {
        "2000": Class.DO_NOT_HONOR,
        "2001": Class.INSUFFICIENT_FUNDS,
        "2002": Class.LIMIT_EXCEEDED,
        "2003": Class.LIMIT_EXCEEDED,
        "2004": Class.EXPIRED,
        "2005": Class.INVALID_PAYMENT_METHOD,
        "2006": Class.INVALID_PAYMENT_METHOD,
        "2007": Class.ACCOUNT_CLOSED,
        "2008": Class.INVALID_PAYMENT_METHOD,
        "2009": Class.INVALID_PAYMENT_METHOD,
        "2010": Class.INVALID_PAYMENT_METHOD,
        "2011": Class.NOT_PERMITTED,  # the issuer wants to be called, which no recurring charge can
        "2012": Class.LOST_STOLEN,
        "2013": Class.LOST_STOLEN,
        "2014": Class.FRAUD,
        "2015": Class.NOT_PERMITTED,
        "2016": Class.PROCESSOR_ERROR,  # the bank saw the same a moment ago
        "2017": Class.NOT_PERMITTED,  # the payer stopped this one
        "2018": Class.REVOKED,  # the payer stopped the series
        "2019": Class.NOT_PERMITTED,
        "2020": Class.NOT_PERMITTED,
        "2021": Class.FRAUD,
        "2022": Class.INVALID_PAYMENT_METHOD,  # there is a newer card
        "2029": Class.INVALID_PAYMENT_METHOD,
        "2033": Class.PROCESSOR_ERROR,
        "2034": Class.ISSUER_UNAVAILABLE,
        "2038": Class.DO_NOT_HONOR,
        "2041": Class.NOT_PERMITTED,
        "2043": Class.NOT_PERMITTED,
        "2044": Class.NOT_PERMITTED,
        "2046": Class.DO_NOT_HONOR,
        "2047": Class.LOST_STOLEN,
        "2050": Class.INVALID_PAYMENT_METHOD,
        "2051": Class.INVALID_PAYMENT_METHOD,
        "2053": Class.LOST_STOLEN,
        "2057": Class.DO_NOT_HONOR,  # a restriction that Braintree calls soft
        "2059": Class.INVALID_PAYMENT_METHOD,
        "2060": Class.INVALID_PAYMENT_METHOD,
        "2061": Class.INVALID_PAYMENT_METHOD,
        "2070": Class.REVOKED,  # PayPal: the payer cancelled the agreement
        "2074": Class.INVALID_PAYMENT_METHOD,  # PayPal: none of the payer's cards and accounts pays
        "2075": Class.ACCOUNT_CLOSED,
        "2076": Class.NOT_PERMITTED,
        "2077": Class.FRAUD,
        "2082": Class.NOT_PERMITTED,
        "2086": Class.LIMIT_EXCEEDED,
        "2093": Class.INVALID_PAYMENT_METHOD,
        "2099": Class.AUTHENTICATION_REQUIRED,
        "2101": Class.AUTHENTICATION_REQUIRED,
        "2104": Class.DO_NOT_HONOR,
        "2105": Class.INVALID_PAYMENT_METHOD,
        "2106": Class.DO_NOT_HONOR,
        "2107": Class.NOT_PERMITTED,
        "2108": Class.ACCOUNT_CLOSED,
        "3000": Class.ISSUER_UNAVAILABLE,
        "AVS": Class.INVALID_PAYMENT_METHOD,
        "AVS_AND_CVV": Class.INVALID_PAYMENT_METHOD,
        "CVV": Class.INVALID_PAYMENT_METHOD,
        "EXCESSIVE_RETRY": Class.NOT_PERMITTED,
        "FAILED": Class.PROCESSOR_ERROR,
        "FRAUD": Class.FRAUD,
        "PAYMENT_METHOD_BLOCKED": Class.FRAUD,
        "RISK_THRESHOLD": Class.FRAUD,
        "THREE_D_SECURE": Class.AUTHENTICATION_REQUIRED,
        "TOKEN_ISSUANCE": Class.INVALID_PAYMENT_METHOD,
    }
)
"""`FAILED` is our word for a charge that could not be sent on and has no code of a processor's."""

OUR_FAULT: Final[Mapping[str, str]] = {
    "APPLICATION_INCOMPLETE": "the merchant's application isn't complete",
    "MANUAL_TRANSACTIONS_DISABLED": "this key may not make charges",
    "2023": "the processor does not support this feature",
    "2024": "this kind of card is not enabled",
    "2025": "the merchant is not set up",
    "2026": "the merchant's id at the processor is invalid",
    "2027": "the amount is not set up",
    "2028": "the account is not set up",
    "2030": "the account is not set up",
    "2040": "the store is invalid",
    "2042": "the client's id is invalid",
    "2045": "the merchant's number is invalid",
    "2048": "the amount is invalid",
    "2055": "the division is not set up",
    "2058": "3-D Secure is not enabled",
    "2063": "a preference of the PayPal business account",
    "2064": "the currency is invalid",
    "2066": "the PayPal business account is restricted",
    "2068": "the PayPal business account is locked or closed",
    "2071": "the PayPal business account is not confirmed",
    "2072": "the PayPal business account's address is malformed",
    "2073": "PayPal's validation failed",
    "2079": "the PayPal business account is not set up",
    "2081": "PayPal's pending payments are not supported",
    "2083": "PayPal wants a phone number",
    "2084": "PayPal wants tax information",
    "2085": "the PayPal business account blocks it",
    "2087": "PayPal's reference transactions are not enabled",
    "2088": "PayPal's account does not take this currency",
    "2089": "PayPal's permissions are missing",
    "2091": "PayPal's account has another currency",
    "2100": "PayPal's billing is not enabled",
}
"""Refusals that no payer can change: the merchant's account there must be repaired, and no step is burnt."""

DUPLICATES: Final = frozenset({"DUPLICATE", "2069"})
"""Rejected because there is a charge like it already, the gateway's word and PayPal's: never a decline. What there is
already is looked up (facts: 3.3 Idempotency)."""
