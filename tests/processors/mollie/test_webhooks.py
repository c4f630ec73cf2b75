"""What Mollie tells: unsigned pings, signed events, and what a payment that was fetched for them says."""

from __future__ import annotations

import hashlib
import hmac
import json
from datetime import timedelta
from typing import Any

import httpx
import pytest
import respx

from processors.errors import CallError, OutcomeUnknownError, WebhookError
from processors.events import Acknowledgement, DisputeStage, EventKind, Notice, ProcessorEvent, Reply
from processors.money import Money
from processors.outcome import Canceled, DeclineClass, Declined, Pending, RefundPending, Succeeded
from tests.processors.mollie.shapes import (
    API_KEY,
    BASE,
    CHARGEBACK,
    NOW,
    PAYMENT,
    PROFILE,
    REFERENCE,
    REFUND,
    WEBHOOK_SECRET,
    Json,
    adapter,
    amount,
    chargeback,
    delivery,
    first,
    page,
    payment,
    refund,
)

SIGNED = {"api_key": API_KEY, "webhook_secret": WEBHOOK_SECRET}
EVENT = json.dumps({"resource": "event", "id": "event_1", "type": "payment.paid", "entityId": PAYMENT}).encode()
WHOLE = f"{BASE}/payments/{PAYMENT}"


def signed(body: bytes, secret: str = WEBHOOK_SECRET) -> str:
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def ping(entity: str = PAYMENT) -> Notice:
    return Notice(None, "ping", entity.encode())


async def told(http: httpx.AsyncClient, shown: Json, **parts: list[Json]) -> tuple[ProcessorEvent, ...]:
    with respx.mock:
        respx.get(WHOLE, params={"embed": "refunds,chargebacks"}).respond(json={**shown, "_embedded": parts})
        return await adapter(http).parse(ping())


async def test_a_ping_proves_nothing_and_asks_nothing(http: httpx.AsyncClient) -> None:
    (notice,) = await adapter(http).verify(delivery(b"id=tr_made1up"))
    assert (notice.key, notice.kind, notice.body) == (None, "ping", b"tr_made1up")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"id=",
        b"id=../x",
        b"id=tr_1&id=tr_2",
        b"name=tr_1",
        b"id=tr_1%00",
        b"\xff",
        b"a" * 4096,
        EVENT,
    ],
)
async def test_a_body_that_is_no_ping(http: httpx.AsyncClient, body: bytes) -> None:
    with pytest.raises(WebhookError):
        await adapter(http).verify(delivery(body))


async def test_a_signed_event_is_a_reason_to_look(http: httpx.AsyncClient) -> None:
    (notice,) = await adapter(http, credentials=SIGNED).verify(delivery(EVENT, signed(EVENT)))
    assert (notice.key, notice.kind, notice.body) == (None, "payment.paid", b"tr_made1up")


async def test_with_a_secret_pings_are_taken_too(http: httpx.AsyncClient) -> None:
    assert await adapter(http, credentials=SIGNED).verify(delivery(b"id=tr_made1up"))


@pytest.mark.parametrize("order", [1, -1])
async def test_while_the_secret_is_changed_one_good_signature_is_enough(http: httpx.AsyncClient, order: int) -> None:
    both = [signed(EVENT), signed(EVENT, "the_new_one")][::order]
    for headers in (both, [", ".join(both)]):
        assert await adapter(http, credentials=SIGNED).verify(delivery(EVENT, *headers))


@pytest.mark.parametrize(
    ("body", "signatures"),
    [
        (EVENT, [signed(EVENT, "another_secret")]),
        (EVENT, [signed(EVENT, "one"), signed(EVENT, "two")]),
        (EVENT, [signed(EVENT)[:-1] + ("0" if signed(EVENT)[-1] != "0" else "1")]),
        (EVENT, [signed(EVENT).removeprefix("sha256=")]),
        (EVENT, [""]),
        (EVENT, ["sha256="]),
        (EVENT, ["sha256=é"]),
        (EVENT[:-1] + b" }", [signed(EVENT)]),
        (json.dumps(json.loads(EVENT), indent=1).encode(), [signed(EVENT)]),
        (b"id=tr_made1up", [signed(EVENT)]),
    ],
)
async def test_a_signature_that_does_not_hold(http: httpx.AsyncClient, body: bytes, signatures: list[str]) -> None:
    with pytest.raises(WebhookError) as caught:
        await adapter(http, credentials=SIGNED).verify(delivery(body, *signatures))
    assert WEBHOOK_SECRET not in str(caught.value)


async def test_without_a_secret_nothing_signed_is_taken(http: httpx.AsyncClient) -> None:
    with pytest.raises(WebhookError):
        await adapter(http).verify(delivery(EVENT, signed(EVENT, "")))


@pytest.mark.parametrize("body", [b"[]", b"{}", b'{"id": "event_1", "type": "payment.paid", "entityId": "../x"}'])
async def test_signed_and_unreadable(http: httpx.AsyncClient, body: bytes) -> None:
    with pytest.raises(WebhookError):
        await adapter(http, credentials=SIGNED).verify(delivery(body, signed(body)))


def test_what_a_delivery_is_answered(http: httpx.AsyncClient) -> None:
    mollie, came = adapter(http), delivery(b"id=tr_made1up")
    assert mollie.acknowledge(came, Acknowledgement.STORED) == Reply(200, "ok")
    assert mollie.acknowledge(came, Acknowledgement.REFUSED).status == 400


@pytest.mark.parametrize(
    ("status", "kind", "outcome"),
    [
        ("paid", EventKind.CHARGE_SUCCEEDED, Succeeded),
        ("failed", EventKind.CHARGE_FAILED, Declined),
        ("canceled", EventKind.CHARGE_FAILED, Canceled),
        ("expired", EventKind.CHARGE_FAILED, Canceled),
        ("pending", EventKind.CHARGE_PENDING, Pending),
        ("authorized", EventKind.CHARGE_PENDING, Pending),
    ],
)
async def test_how_a_charge_stands(http: httpx.AsyncClient, status: str, kind: EventKind, outcome: type[Any]) -> None:
    (event,) = await told(http, payment(status))
    assert (event.kind, event.reference, event.processor_id, event.account_ref) == (kind, REFERENCE, PAYMENT, PROFILE)
    assert isinstance(event.outcome, outcome)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        ("queued", EventKind.REFUND_CREATED),
        ("processing", EventKind.REFUND_CREATED),
        ("refunded", EventKind.REFUND_SUCCEEDED),
        ("failed", EventKind.REFUND_FAILED),
        ("canceled", EventKind.REFUND_FAILED),
    ],
)
async def test_how_a_refund_stands(http: httpx.AsyncClient, status: str, kind: EventKind) -> None:
    _, event = await told(http, payment(), refunds=[refund(status)])
    assert (event.kind, event.reference) == (kind, REFERENCE)
    assert event.refund is not None
    assert (event.refund.processor_id, event.refund.reference, event.refund.external) == (REFUND, "rfd_1", False)


async def test_a_refund_from_the_dashboard_is_told_apart(http: httpx.AsyncClient) -> None:
    _, event = await told(http, payment(), refunds=[refund(metadata=None)])
    assert event.refund is not None
    assert event.refund.external
    assert event.refund.outcome == RefundPending(REFUND, Money(350, "eur"))


async def test_a_cards_chargeback_is_a_dispute(http: httpx.AsyncClient) -> None:
    _, event = await told(http, payment(), chargebacks=[chargeback()])
    assert event.kind is EventKind.DISPUTE_FUNDS_WITHDRAWN
    assert event.dispute is not None
    assert (event.dispute.processor_id, event.dispute.stage) == (CHARGEBACK, DisputeStage.FUNDS_WITHDRAWN)
    assert (event.dispute.withdrawn, event.dispute.charge_id) == (Money(1050, "eur"), PAYMENT)
    assert [(one.amount.amount, one.occurrence) for one in event.dispute.moves] == [(-1050, CHARGEBACK)]


async def test_a_cards_chargeback_that_is_never_reversed_is_lost_in_the_end(http: httpx.AsyncClient) -> None:
    long_ago = NOW - timedelta(days=120)
    for age, kind in ((0, EventKind.DISPUTE_LOST), (1, EventKind.DISPUTE_FUNDS_WITHDRAWN)):
        shown = chargeback(createdAt=(long_ago + timedelta(seconds=age)).isoformat())
        _, event = await told(http, payment(), chargebacks=[shown])
        assert event.kind is kind
        assert event.occurred_at == (NOW if kind is EventKind.DISPUTE_LOST else long_ago + timedelta(seconds=1))
        assert event.dispute is not None
        assert event.dispute.withdrawn == Money(1050, "eur")


async def test_a_cards_chargeback_that_was_reversed_is_won(http: httpx.AsyncClient) -> None:
    back = chargeback(reversedAt="2027-04-05T09:00:00+00:00")
    _, event = await told(http, payment(), chargebacks=[back])
    assert event.kind is EventKind.DISPUTE_WON
    assert event.dispute is not None
    assert event.dispute.withdrawn == Money(0, "eur")
    moves = [(one.amount.amount, one.occurrence) for one in event.dispute.moves]
    assert moves == [(-1050, CHARGEBACK), (1050, f"{CHARGEBACK}:reversed")]


@pytest.mark.parametrize(
    ("code", "decline_class"),
    [
        ("AM04", DeclineClass.INSUFFICIENT_FUNDS),
        ("AC04", DeclineClass.ACCOUNT_CLOSED),
        ("MD01", DeclineClass.REVOKED),
        ("XX99", DeclineClass.DO_NOT_HONOR),
    ],
)
async def test_a_debit_that_the_bank_undid_is_reversed(
    http: httpx.AsyncClient, code: str, decline_class: DeclineClass
) -> None:
    undone = chargeback(reason={"code": code, "description": "As the bank says"})
    paid, event = await told(http, payment(method="directdebit"), chargebacks=[undone])
    assert (paid.kind, event.kind) == (EventKind.CHARGE_SUCCEEDED, EventKind.CHARGE_REVERSED)
    assert event.moved is not None
    assert (event.moved.amount, event.moved.occurrence) == (Money(-1050, "eur"), CHARGEBACK)
    assert event.decline is not None
    assert (event.decline.decline_class, event.decline.processor_message) == (decline_class, "As the bank says")


async def test_a_debit_that_was_done_again_is_reinstated(http: httpx.AsyncClient) -> None:
    back = chargeback(reason={"code": "AM04"}, reversedAt="2027-04-05T09:00:00+00:00")
    events = await told(http, payment(method="directdebit"), chargebacks=[back])
    assert [one.kind for one in events[1:]] == [EventKind.CHARGE_REVERSED, EventKind.CHARGE_REINSTATED]
    moved = events[2].moved
    assert moved is not None
    assert (moved.amount, moved.occurrence) == (Money(1050, "eur"), f"{CHARGEBACK}:reversed")


async def test_a_debit_that_the_payer_took_back_is_a_dispute_and_lost(http: httpx.AsyncClient) -> None:
    _, event = await told(
        http, payment(method="directdebit"), chargebacks=[chargeback(reason={"code": "MD06", "description": "Refund"})]
    )
    assert event.kind is EventKind.DISPUTE_LOST
    assert event.dispute is not None
    assert (event.dispute.stage, event.dispute.withdrawn) == (DisputeStage.LOST, Money(1050, "eur"))


async def test_all_that_a_payment_shows_is_told_and_the_same_each_time(http: httpx.AsyncClient) -> None:
    parts = {
        "refunds": [refund("refunded", id="re_b", createdAt="2027-03-03T00:00:00+00:00"), refund("failed", id="re_a")],
        "chargebacks": [chargeback()],
    }
    events = await told(http, payment(), **parts)
    assert [one.kind.value for one in events] == [
        "charge.succeeded",
        "refund.failed",
        "refund.succeeded",
        "dispute.funds_withdrawn",
    ]
    assert await told(http, payment(), **{name: part[::-1] for name, part in parts.items()}) == events


@pytest.mark.parametrize("shown", [first(), payment(sequenceType="oneoff"), payment(metadata={"order": 12})])
async def test_payments_that_no_attempt_made_are_ignored(http: httpx.AsyncClient, shown: Json) -> None:
    (event,) = await told(http, shown, chargebacks=[chargeback()])
    assert event.kind is EventKind.IGNORED
    assert event.detail


async def test_an_id_that_nobody_knows_says_nothing(http: httpx.AsyncClient) -> None:
    with respx.mock:
        respx.get(url__startswith=WHOLE).respond(404, json={})
        assert await adapter(http).parse(ping()) == ()


@pytest.mark.parametrize("answer", [httpx.Response(500), httpx.Response(401, json={}), httpx.Response(200, json={})])
async def test_a_payment_that_can_not_be_fetched_is_asked_for_again(
    http: httpx.AsyncClient, answer: httpx.Response
) -> None:
    with respx.mock:
        respx.get(url__startswith=WHOLE).mock(return_value=answer)
        with pytest.raises(CallError):
            await adapter(http).parse(ping())


async def test_a_payment_of_the_other_mode_is_refused(http: httpx.AsyncClient) -> None:
    with pytest.raises(OutcomeUnknownError):
        await told(http, payment(mode="live"))


@pytest.mark.parametrize(
    ("entity", "of", "item"), [(REFUND, "refunds", refund()), (CHARGEBACK, "chargebacks", chargeback())]
)
async def test_a_refunds_or_chargebacks_id_leads_to_its_payment(
    http: httpx.AsyncClient, entity: str, of: str, item: Json
) -> None:
    with respx.mock:
        respx.get(f"{BASE}/{of}", params={"limit": "1", "from": entity}).respond(json=page(of, item, after="more_1"))
        respx.get(url__startswith=WHOLE).respond(json=payment())
        (event,) = await adapter(http).parse(ping(entity))
    assert event.kind is EventKind.CHARGE_SUCCEEDED


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(404, json={}),
        httpx.Response(422, json={}),
        httpx.Response(200, json=page("refunds")),
        httpx.Response(200, json=page("refunds", refund(id="re_another"))),
    ],
)
async def test_a_refunds_id_that_nobody_knows_says_nothing(http: httpx.AsyncClient, answer: httpx.Response) -> None:
    with respx.mock:
        respx.get(url__startswith=f"{BASE}/refunds").mock(return_value=answer)
        assert await adapter(http).parse(ping(REFUND)) == ()


async def test_what_is_about_neither_is_ignored_without_a_call(http: httpx.AsyncClient) -> None:
    with respx.mock:
        (event,) = await adapter(http).parse(Notice(None, "profile.verified", b"pfl_made1up"))
    assert event.kind is EventKind.IGNORED
    assert "profile.verified" in event.detail


async def polled(http: httpx.AsyncClient) -> list[ProcessorEvent]:
    events: list[ProcessorEvent] = []
    cursor = ""
    for _ in range(9):
        found = await adapter(http).poll(NOW, cursor)
        events += found.events
        cursor = found.cursor
        if not cursor:
            return events
    raise AssertionError("the poll goes on")


async def test_a_poll_finds_what_changed_since(http: httpx.AsyncClient) -> None:
    back = chargeback(id="chb_old", createdAt="2027-01-05T09:00:00+00:00", reversedAt="2027-03-02T09:00:00+00:00")
    quiet = chargeback(id="chb_quiet", paymentId="tr_quiet", createdAt="2026-12-01T09:00:00+00:00")
    outside = refund("refunded", paymentId="tr_2", createdAt="2027-03-02T00:00:00+00:00", metadata=None)
    before = refund("refunded", paymentId="tr_quiet", createdAt="2027-02-01T00:00:00+00:00")
    with respx.mock:
        respx.get(f"{BASE}/chargebacks").respond(json=page("chargebacks", back, quiet))
        respx.get(f"{BASE}/refunds").respond(json=page("refunds", outside, before))
        respx.get(url__startswith=WHOLE).respond(json=payment(_embedded={"chargebacks": [back]}))
        respx.get(url__startswith=f"{BASE}/payments/tr_2").respond(
            json=payment(id="tr_2", _embedded={"refunds": [outside]})
        )
        events = await polled(http)
    assert [(one.kind.value, one.processor_id) for one in events] == [
        ("charge.succeeded", PAYMENT),
        ("dispute.won", PAYMENT),
        ("charge.succeeded", "tr_2"),
        ("refund.succeeded", "tr_2"),
    ]


async def test_a_poll_finds_a_chargeback_that_has_just_been_lost(http: httpx.AsyncClient) -> None:
    lost = chargeback(createdAt=(NOW - timedelta(days=120)).isoformat())
    with respx.mock:
        respx.get(f"{BASE}/chargebacks").respond(json=page("chargebacks", lost))
        respx.get(f"{BASE}/refunds").respond(json=page("refunds"))
        respx.get(url__startswith=WHOLE).respond(json=payment(_embedded={"chargebacks": [lost]}))
        assert [one.kind for one in await polled(http)] == [EventKind.CHARGE_SUCCEEDED, EventKind.DISPUTE_LOST]


async def test_a_poll_reads_chargebacks_for_half_a_year_and_refunds_no_further_than_since(
    http: httpx.AsyncClient,
) -> None:
    def aged(days: int) -> str:
        return (NOW - timedelta(days=days)).isoformat()

    pages = [page("chargebacks", chargeback(createdAt=aged(days)), after="chb_next") for days in (10, 179, 181)]
    with respx.mock:
        listed = respx.get(f"{BASE}/chargebacks").mock(side_effect=[httpx.Response(200, json=one) for one in pages])
        refunds = respx.get(f"{BASE}/refunds").respond(json=page("refunds", refund(createdAt=aged(1)), after="re_next"))
        assert await polled(http) == []
    assert (listed.call_count, refunds.call_count) == (3, 1)


async def test_a_poll_leaves_out_what_others_made(http: httpx.AsyncClient) -> None:
    with respx.mock:
        respx.get(f"{BASE}/chargebacks").respond(json=page("chargebacks", chargeback(), chargeback(id="chb_2")))
        respx.get(f"{BASE}/refunds").respond(json=page("refunds"))
        route = respx.get(url__startswith=WHOLE).respond(json=payment(metadata=None))
        assert await polled(http) == []
    assert route.call_count == 1


async def test_an_amount_of_nothing_charged_back_is_not_believed(http: httpx.AsyncClient) -> None:
    with pytest.raises(OutcomeUnknownError):
        await told(http, payment(), chargebacks=[chargeback(amount=amount("0.00"))])
