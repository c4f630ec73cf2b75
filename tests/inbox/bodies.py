"""Bodies that no sender of sense sends, and some that are nearly right: the strategies of the webhooks' fuzz tests."""

from __future__ import annotations

import json
import time
from typing import Any

from hypothesis import strategies as st

ANY_TEXT = st.text(st.characters(), max_size=30)
"""Lone surrogates and NUL too: JSON can write both."""
NUMBERS = st.one_of(st.integers(), st.just(10**400), st.just(2**63), st.floats(), st.just(-1))
SCALARS = st.one_of(st.none(), st.booleans(), NUMBERS, ANY_TEXT)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ANY_TEXT, inner, max_size=3),
    max_leaves=8,
)
DEEP = st.builds(
    lambda depth, a, b: a * depth + b"1" + b * depth,
    st.sampled_from([50, 900, 1100, 6000]),
    *(st.just(b"["), st.just(b"]")),
)
ID = st.one_of(st.sampled_from(["in_1", "sub_1", "cus_1", "pi_1", "ch_1", "", "in_1\0", "in 1", "x" * 400]), ANY_TEXT)
REF = st.one_of(ID, st.none(), st.builds(lambda i: {"id": i, "object": "invoice"}, ID), JSON)

KINDS = st.sampled_from(
    [
        *("invoice.paid", "invoice.created", "invoice.deleted", "invoice_payment.paid", "credit_note.created"),
        *("customer.subscription.updated", "customer.updated", "customer.deleted", "customer.discount.created"),
        *("charge.succeeded", "charge.dispute.created", "payment_intent.succeeded", "price.created"),
        *("v1.invoice.paid", "v1.credit_note.created", "v1.charge.refunded", "invoice.", "customer.tax_id.created"),
    ]
)
THING = st.fixed_dictionaries(
    {},
    optional={
        "id": ID,
        "object": st.sampled_from(["invoice", "subscription", "customer", "payment_intent", "charge", "", "x"]),
        **dict.fromkeys(["invoice", "subscription", "customer", "payment_intent"], REF),
        "status": st.one_of(st.sampled_from(["open", "paid", "draft"]), JSON),
        **dict.fromkeys(["amount_due", "total", "created", "lines", "payments", "currency", "metadata"], JSON),
        "items": st.one_of(st.just({"data": []}), JSON),
    },
)
RIGHT_ID = st.sampled_from(["in_1", "in_2", "sub_1", "cus_1", "pi_1", "ch_1"])
RIGHT_THING = st.fixed_dictionaries(
    {"id": RIGHT_ID, "object": st.sampled_from(["invoice", "subscription", "customer", "payment_intent", "charge"])},
    optional={
        **dict.fromkeys(["invoice", "subscription", "customer", "payment_intent"], RIGHT_ID),
        "status": st.one_of(st.sampled_from(["open", "paid", "draft"]), JSON),
        **dict.fromkeys(["amount_due", "total", "created", "lines", "payments", "currency", "metadata"], JSON),
    },
)
RELATED = st.fixed_dictionaries(
    {},
    optional={
        "id": ID,
        "type": st.sampled_from(["invoice", "invoice_payment", "charge", "tax_id", "x"]),
        "url": st.one_of(st.just("/v1/customers/cus_1/discount"), ANY_TEXT),
    },
)
EVENT = st.fixed_dictionaries(
    {"id": st.one_of(st.uuids().map(lambda u: f"evt_{u.hex}"), ID), "type": st.one_of(KINDS, ANY_TEXT)},
    optional={
        "object": st.sampled_from(["event", "v2.core.event"]),
        "livemode": st.one_of(st.just(False), st.booleans(), JSON),
        "data": st.one_of(st.builds(lambda o, p: {"object": o, "previous_attributes": p}, THING, JSON), JSON),
        "related_object": st.one_of(RELATED, JSON),
        **dict.fromkeys(["account", "context"], st.one_of(st.none(), st.just("acct_other"), JSON)),
    },
)
RIGHT_EVENT = st.fixed_dictionaries(
    {"id": st.uuids().map(lambda u: f"evt_{u.hex}"), "type": KINDS},
    optional={
        "livemode": st.just(False),
        "data": st.builds(lambda o, p: {"object": o, "previous_attributes": p}, RIGHT_THING, st.just({"name": "x"})),
        "related_object": RELATED,
    },
)
"""Readable at least, so that what comes after the door is reached."""


def encoded(value: Any) -> bytes:
    """JSON as lenient writers write it: NaN, escaped surrogates, numbers of any size."""
    return json.dumps(value).encode()


def twice(one: dict[str, Any], other: dict[str, Any]) -> bytes:
    """An object with the fields of both, and so with some names twice."""
    return encoded(one)[:-1] + (b"," if one and other else b"") + encoded(other)[1:]


@st.composite
def damaged(draw: st.DrawFn, body: bytes) -> bytes:
    """The body with some bytes changed, cut out or put in."""
    for _ in range(draw(st.integers(1, 4))):
        at, cut = draw(st.integers(0, max(0, len(body) - 1))), draw(st.integers(0, 3))
        body = body[:at] + draw(st.binary(max_size=4)) + body[at + cut :]
    return body


STRIPE = st.one_of(
    EVENT.map(encoded),
    RIGHT_EVENT.map(encoded),
    RIGHT_EVENT.map(encoded),
    RIGHT_EVENT.map(encoded),
    st.builds(twice, RIGHT_EVENT, EVENT),
    st.builds(twice, RIGHT_EVENT, RIGHT_EVENT),
    RIGHT_EVENT.map(encoded).flatmap(damaged),
    JSON.map(encoded),
    st.binary(max_size=200),
    DEEP,
    st.builds(lambda inner: b'{"id":"evt_deep","type":"invoice.paid","data":{"object":' + inner + b"}}", DEEP),
)

CHARGE = st.fixed_dictionaries(
    {"id": ID, "account": st.one_of(st.just("pa_1"), ID), "reference": st.one_of(st.just("in_1.1"), ID)},
    optional={
        **dict.fromkeys(["amount", "amount_captured"], st.one_of(st.just(1000), NUMBERS)),
        "currency": st.one_of(st.just("EUR"), ANY_TEXT),
        "status": st.sampled_from(["succeeded", "failed", "pending", "requires_action", "canceled", "x"]),
        **dict.fromkeys(["created_at", "closed_at", "expected_by"], st.one_of(st.just(1_900_000_000), NUMBERS)),
        "decline": st.one_of(st.just({"code": "expired_card", "message": "\0"}), JSON),
        "action_url": ANY_TEXT,
        "token": ANY_TEXT,
    },
)
NOTICE = st.fixed_dictionaries(
    {
        "id": st.one_of(st.uuids().map(str), ID),
        "type": st.one_of(
            st.sampled_from(["charge.succeeded", "charge.failed", "charge.pending", "method.revoked"]), ANY_TEXT
        ),
        "account": st.one_of(st.just("pa_1"), ID),
        "created": st.one_of(st.just(int(time.time())), st.just(10**18), st.integers()),
        "data": st.one_of(CHARGE, CHARGE, JSON),
    }
)
RIGHT_CHARGE = st.fixed_dictionaries(
    {
        "id": st.sampled_from(["ch_1", "ch_2"]),
        "account": st.just("pa_1"),
        "reference": st.sampled_from(["in_1.1", "in_1.2"]),
        "amount": st.just(1000),
        "amount_captured": st.one_of(st.just(1000), st.integers()),
        "currency": st.sampled_from(["EUR", "ISK", "usd"]),
        "status": st.sampled_from(["succeeded", "failed", "pending", "requires_action", "canceled"]),
        "created_at": st.just(1_900_000_000),
    },
    optional={"decline": st.just({"code": "expired_card", "message": "\0"}), "action_url": ANY_TEXT},
)
RIGHT_NOTICE = st.fixed_dictionaries(
    {
        "id": st.uuids().map(str),
        "type": st.sampled_from(["charge.succeeded", "charge.failed", "charge.pending", "charge.canceled"]),
        "account": st.just("pa_1"),
        "created": st.just(1_900_000_000),
        "data": RIGHT_CHARGE,
    }
)
PRACTICE = st.one_of(
    st.lists(RIGHT_NOTICE, min_size=1, max_size=2).map(lambda events: encoded({"events": events})),
    st.lists(RIGHT_NOTICE, min_size=1, max_size=2).map(lambda events: encoded({"events": events})),
    st.lists(NOTICE, max_size=3).map(lambda events: encoded({"events": events})),
    st.lists(NOTICE, min_size=1, max_size=2).map(lambda e: encoded({"events": e})).flatmap(damaged),
    st.builds(twice, st.builds(lambda e: {"events": [e]}, NOTICE), st.builds(lambda e: {"events": e}, JSON)),
    JSON.map(encoded),
    st.binary(max_size=200),
    DEEP,
)
