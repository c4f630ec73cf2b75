"""The little that the door reads of a verified body: enough to dedupe, list and route it."""

from __future__ import annotations

import hashlib
import re
from typing import Final

import msgspec

from db import sql
from processors.events import ProcessorEvent
from processors.values import Unprinted

STRIPE: Final = "stripe"
"""The source of Stripe's deliveries; a processor's is the id of its connection."""
UNREADABLE: Final = "unreadable"
"""The kind of a signed body that is no event: kept, and parked by the worker."""
POLLED: Final = "polled:"
"""Begins the kind of an event that a processor told to us when we asked, as no notice of its own may."""
LONGEST_KEY: Final = 500
_TOKEN: Final = re.compile(r"[!-~]{1,255}")


class _Object(msgspec.Struct, frozen=True):
    id: str | None = None


class _Data(msgspec.Struct, frozen=True):
    object: _Object = _Object()


class _Envelope(msgspec.Struct, frozen=True):
    """Six fields, of a snapshot event of any version or a thin one."""

    id: str
    type: str
    object: str | None = None
    livemode: bool | None = None
    data: _Data | None = None
    related_object: _Object | None = None


class Accepted(Unprinted, frozen=True):
    """One notice of a verified delivery, about to be stored."""

    account: str
    source: str
    key: str | None
    kind: str
    object_id: str
    body: bytes


_decoder = msgspec.json.Decoder(_Envelope)


def stripe_notice(account: str, body: bytes) -> tuple[Accepted, bool | None]:
    """A verified body of Stripe's as a row, and the livemode that it names (None: it names none).

    What can't be read is accepted all the same: the signature proves the sender, so it must not be lost.
    """
    try:
        event = _decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Accepted(account, STRIPE, None, UNREADABLE, "", body), None
    if not (_TOKEN.fullmatch(event.id) and _TOKEN.fullmatch(event.type)):
        return Accepted(account, STRIPE, None, UNREADABLE, "", body), event.livemode
    named = event.related_object or (event.data.object if event.data is not None else None)
    object_id = (named.id or "") if named is not None else ""
    if not _TOKEN.fullmatch(object_id):
        object_id = ""
    return Accepted(account, STRIPE, event.id, event.type, object_id, body), event.livemode


def processor_notice(account: str, connection: str, key: str | None, kind: str, body: bytes) -> Accepted:
    """A notice of an adapter's as a row. Its key and kind are a stranger's text: what no column holds is replaced."""
    shown = None if key is None else _storable(key)
    return Accepted(account, connection, shown, _storable(kind).removeprefix(POLLED)[:255], "", body)


def polled_notice(account: str, connection: str, event: ProcessorEvent) -> Accepted:
    """An event that was asked for as a row: the same event, told by webhook or asked for again, has the same key."""
    body = msgspec.json.encode(event)
    key = _storable(event.event_id) if event.event_id else POLLED + hashlib.sha256(body).hexdigest()
    return Accepted(account, connection, key, f"{POLLED}{event.kind}", "", body)


def polled_event(body: bytes) -> ProcessorEvent:
    """The event in the body of such a row."""
    return msgspec.json.decode(body, type=ProcessorEvent)


def _storable(text: str) -> str:
    """Without NUL and lone surrogates, which PostgreSQL refuses, and no longer than an index entry may be."""
    return sql.storable(text.encode("utf-8", "replace").decode(), LONGEST_KEY)
