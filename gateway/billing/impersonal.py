"""An invoice's stored answer without its person: only what our shapes read of it, and of metadata only our own keys.

What is left out so: the customer's name, mail, phone, addresses and tax ids, links to Stripe's pages, what Stripe shows
of payments, footers, custom fields, and metadata of the merchant's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from gateway.billing.invoice_detail import InvoiceDetailShape
from gateway.billing.shapes import InvoiceShape, id_of

OURS: Final = ("tollbridge_", "third_party_")
PERSONAL: Final = ("customer_name", "customer_email", "customer_phone", "customer_address", "customer_shipping")


def without_person(raw: bytes) -> bytes:
    """The same invoice, as far as it is needed for money and books."""
    shape = msgspec.to_builtins(msgspec.json.decode(raw, type=InvoiceShape))
    detail = msgspec.to_builtins(msgspec.json.decode(raw, type=InvoiceDetailShape))
    kept = detail | shape | {"hosted_invoice_url": None, "invoice_pdf": None}
    kept |= {"customer": id_of(shape["customer"]), "subscription": id_of(shape["subscription"])}
    kept["metadata"] = _ours(shape["metadata"])
    details = (kept["parent"] or {}).get("subscription_details")
    if details is not None:
        details |= {"subscription": id_of(details["subscription"]), "metadata": _ours(details["metadata"] or {})}
    return msgspec.json.encode(kept)


def personal_texts(raw: bytes) -> set[str]:
    """What it says of its person, text by text."""
    told = msgspec.json.decode(raw)
    return {text for field in PERSONAL for text in texts(told.get(field))} if isinstance(told, dict) else set()


def texts(value: Any) -> set[str]:
    """Every text in it that is long enough to be told from another word."""
    if isinstance(value, str):
        return {value} if len(value) > 3 else set()
    inner = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()
    return {text for one in inner for text in texts(one)}


def _ours(metadata: Mapping[str, str]) -> dict[str, str]:
    return {key: value for key, value in metadata.items() if key.startswith(OURS)}
