"""What proves a webhook of Adyen's: eight fields of every item, or the raw body; and what a repeat is known by."""

from __future__ import annotations

import json
from typing import Any

import pytest

from processors.adyen.client import AdyenAdapter
from processors.errors import DeliveryMalformedError, SignatureInvalidError, WebhookError
from processors.events import Acknowledgement, RawDelivery, Reply
from tests.processors.adyen.shapes import (
    CREDENTIALS,
    OTHER_KEY,
    PSP,
    TOKEN,
    delivery,
    item,
    make_adapter,
    signed,
    signed_body,
    specs,
    token_event,
    webhook,
)

VECTOR_KEY = "74F490DD33F7327BAECC88B2947C011FC02D014A473AAA33A8EC93E4DC069174"
"""Published by Adyen with its vectors: its client libraries are tested with them."""
VECTORS = ("backslash", "colon", "forwardslash", "mixed")


@pytest.mark.parametrize("name", VECTORS)
async def test_the_official_vectors_hold(name: str) -> None:
    one = json.loads(specs(f"hmac-vectors/{name}_notification.json").read_bytes())
    adapter = make_adapter(credentials=CREDENTIALS | {"hmac_key": VECTOR_KEY})
    (notice,) = await adapter.verify(delivery(webhook(one)))
    assert notice.kind == "AUTHORISATION"


async def test_the_oldest_official_vector_holds() -> None:
    """Without an original reference, which is empty in what is signed."""
    one = item(
        "AUTHORISATION",
        pspReference="7914073381342284",
        merchantReference="TestPayment-1407325143704",
        merchantAccountCode="TestMerchant",
        amount={"currency": "EUR", "value": 1130},
        data={"hmacSignature": "coqCmt/IZ4E3CzPvMY8zTjQVL5hYJUiBRg8UU+iCWo0="},
    )
    key = "44782DEF547AAA06C910C43932B1EB0C71FC68D9D0C057550C48EC2ACF6BA056"
    assert await make_adapter(credentials=CREDENTIALS | {"hmac_key": key}).verify(delivery(webhook(one)))


@pytest.mark.parametrize("name", VECTORS)
async def test_a_vector_a_bit_off_does_not(name: str) -> None:
    one = json.loads(specs(f"hmac-vectors/{name}_notification.json").read_bytes())
    adapter = make_adapter(credentials=CREDENTIALS | {"hmac_key": VECTOR_KEY})
    with pytest.raises(SignatureInvalidError):
        await adapter.verify(delivery(webhook(one | {"merchantReference": one["merchantReference"] + "x"})))


@pytest.mark.parametrize(
    "changed",
    [
        {"pspReference": "AFQTPCQ8HXSKGK82"},
        {"originalReference": "AFQTPCQ8HXSKGK82"},
        {"merchantAccountCode": "AnotherShop"},
        {"merchantReference": "in_another.1"},
        {"amount": {"currency": "USD", "value": 100000}},
        {"amount": {"currency": "EUR", "value": 1000}},
        {"amount": None},
        {"eventCode": "REFUND"},
        {"success": "false"},
    ],
)
async def test_each_of_the_eight_fields_is_signed(adapter: AdyenAdapter, changed: dict[str, Any]) -> None:
    with pytest.raises(SignatureInvalidError):
        await adapter.verify(delivery(webhook(signed(item("AUTHORISATION")) | changed)))


@pytest.mark.parametrize("broken", ["", "AAAA", "not base64", "Zm9yZ2Vk" * 6, "é"])
async def test_a_wrong_signature(adapter: AdyenAdapter, broken: str) -> None:
    with pytest.raises(SignatureInvalidError):
        await adapter.verify(delivery(webhook(item("AUTHORISATION", data={"hmacSignature": broken}))))


async def test_every_item_is_checked(adapter: AdyenAdapter) -> None:
    good, other = signed(item("AUTHORISATION")), signed(item("REFUND"))
    assert len(await adapter.verify(delivery(webhook(good, other)))) == 2
    tampered = other | {"amount": {"currency": "USD", "value": 1}}
    for items in ((good, tampered), (tampered, good), (good, item("REFUND"))):
        with pytest.raises(SignatureInvalidError):
            await adapter.verify(delivery(webhook(*items)))


async def test_a_colon_may_stand_in_our_reference_alone(adapter: AdyenAdapter) -> None:
    """`a:b` and `c` join to what `a` and `b:c` join to: the same signature over other fields."""
    assert await adapter.verify(delivery(webhook(signed(item("AUTHORISATION", merchantReference="a:b")))))
    for field in ("pspReference", "originalReference", "merchantAccountCode"):
        with pytest.raises(SignatureInvalidError):
            await adapter.verify(delivery(webhook(signed(item("AUTHORISATION", **{field: "a:b"})))))


async def test_the_previous_key_holds_during_a_change() -> None:
    old = delivery(webhook(signed(item("AUTHORISATION"), OTHER_KEY)))
    with pytest.raises(SignatureInvalidError):
        await make_adapter().verify(old)
    changing = make_adapter(credentials=CREDENTIALS | {"previous_hmac_key": OTHER_KEY})
    assert await changing.verify(old)
    assert await changing.verify(delivery(webhook(signed(item("AUTHORISATION")))))


async def test_a_reserialised_body_is_the_same_for_the_items_and_not_for_the_whole(adapter: AdyenAdapter) -> None:
    body = webhook(signed(item("AUTHORISATION")))
    (first,) = await adapter.verify(delivery(body))
    (again,) = await adapter.verify(delivery(json.dumps(json.loads(body), indent=2).encode()))
    assert first.key == again.key
    told = signed_body(token_event())
    with pytest.raises(SignatureInvalidError):
        await adapter.verify(
            delivery(json.dumps(json.loads(told.body), indent=2).encode(), told.header("hmacsignature"))
        )


async def test_what_is_not_signed_does_not_make_another_notification(adapter: AdyenAdapter) -> None:
    one = signed(item("AUTHORISATION"))
    later = one | {"eventDate": "2027-03-02T13:00:00+01:00", "reason": "another"}
    other = signed(item("AUTHORISATION", success="false"))
    keys = [(await adapter.verify(delivery(webhook(each))))[0].key for each in (one, later, other)]
    assert keys[0] == keys[1] != keys[2]
    assert None not in keys


@pytest.mark.parametrize(
    "other",
    [
        item("AUTHORISATION", pspReference="PSPANOTHER"),
        item("AUTHORISATION", success="false"),
        item("AUTHORISATION", merchantReference="in_1Nx.3"),
        item("AUTHORISATION", amount={"currency": "USD", "value": 999}),
        item("AUTHORISATION", originalReference="in_1Nx.2", merchantReference=""),
        item("CAPTURE_FAILED"),
    ],
)
async def test_two_notifications_never_share_a_key(adapter: AdyenAdapter, other: dict[str, Any]) -> None:
    notices = await adapter.verify(delivery(webhook(signed(item("AUTHORISATION")), signed(other))))
    assert notices[0].key != notices[1].key


@pytest.mark.parametrize(
    ("first", "then"),
    [
        (
            item("CAPTURE", originalReference=PSP),
            item("CAPTURE", originalReference=PSP, reason="Transaction Recaptured"),
        ),
        (
            item("DISPUTE_DEFENSE_PERIOD_ENDED", data={"disputeStatus": "Pending"}),
            item("DISPUTE_DEFENSE_PERIOD_ENDED", data={"disputeStatus": "Lost"}),
        ),
    ],
    ids=lambda one: one["eventCode"],
)
async def test_what_means_another_thing_has_another_key(
    adapter: AdyenAdapter, first: dict[str, Any], then: dict[str, Any]
) -> None:
    """Law 9: in all that is signed they are alike. The second is news that nobody tells again."""
    notices = await adapter.verify(delivery(webhook(signed(first), signed(then))))
    assert notices[0].key != notices[1].key


async def test_a_token_stands_in_no_key(adapter: AdyenAdapter) -> None:
    (notice,) = await adapter.verify(delivery(webhook(signed(item("RECURRING_CONTRACT", pspReference=TOKEN)))))
    (told,) = await adapter.verify(signed_body(token_event()))
    assert TOKEN not in f"{notice.key}{notice!r}{told.key}{told!r}"


@pytest.mark.parametrize("live", ["true", "false"])
async def test_live_and_test_are_kept_apart(live: str) -> None:
    adapter = make_adapter(
        options={"environment": "live", "live_prefix": "1797a841fbb37ca7-Example", "client_key": "live_MADEUP"}
    )
    sent = delivery(webhook(signed(item("AUTHORISATION")), live=live))
    if live == "true":
        assert await adapter.verify(sent)
        return
    with pytest.raises(DeliveryMalformedError, match="a test webhook came to a connection that is live"):
        await adapter.verify(sent)


async def test_a_token_webhook_of_another_environment(adapter: AdyenAdapter) -> None:
    with pytest.raises(DeliveryMalformedError):
        await adapter.verify(signed_body(token_event(environment="live")))


async def test_a_token_webhook_signs_its_raw_body(adapter: AdyenAdapter) -> None:
    good = signed_body(token_event())
    (notice,) = await adapter.verify(good)
    assert notice.kind == "recurring.token.disabled"
    signature = good.header("hmacsignature")
    wrong: list[RawDelivery] = [
        delivery(good.body),
        delivery(good.body, "AAAA"),
        delivery(good.body + b" ", signature),
        signed_body(token_event(), OTHER_KEY),
        RawDelivery("POST", good.url, (*good.headers, ("hmacsignature", signature)), (), good.body),
    ]
    for each in wrong:
        with pytest.raises(SignatureInvalidError):
            await adapter.verify(each)


async def test_what_tells_two_token_webhooks_apart(adapter: AdyenAdapter) -> None:
    told = token_event()
    others = [
        token_event("recurring.token.created"),
        token_event(eventId="EVTANOTHER"),
        token_event(createdAt="2027-03-02T13:00:00+01:00"),
        token_event(data=told["data"] | {"storedPaymentMethodId": "TKNANOTHER"}),
        token_event(data=told["data"] | {"merchantAccount": "AnotherShop"}),
    ]
    keys = [(await adapter.verify(signed_body(one)))[0].key for one in (told, *others)]
    assert len(set(keys)) == len(keys)
    assert (await adapter.verify(signed_body(told | {"version": "2"})))[0].key == keys[0]


async def test_each_webhook_has_a_key_of_its_own() -> None:
    adapter = make_adapter(credentials=CREDENTIALS | {"token_hmac_key": OTHER_KEY})
    assert await adapter.verify(signed_body(token_event(), OTHER_KEY))
    assert await adapter.verify(delivery(webhook(signed(item("AUTHORISATION")))))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"null",
        b"\xff\xfe",
        b'{"live": "false"}',
        b'{"live": "false", "notificationItems": []}',
        b'{"live": "false", "notificationItems": {}}',
        b'{"live": "false", "notificationItems": [{}]}',
        b'{"live": "false", "notificationItems": [{"NotificationRequestItem": 7}]}',
        webhook(signed(item("AUTHORISATION")), live="perhaps"),
        webhook(signed(item("AUTHORISATION")) | {"success": True}),
        webhook(signed(item("AUTHORISATION")) | {"amount": {"currency": "USD", "value": "1000"}}),
    ],
)
async def test_a_body_that_is_no_webhook(adapter: AdyenAdapter, body: bytes) -> None:
    with pytest.raises(WebhookError):
        await adapter.verify(delivery(body))


async def test_a_signed_body_that_can_not_be_read(adapter: AdyenAdapter) -> None:
    with pytest.raises(DeliveryMalformedError):
        await adapter.verify(signed_body({"type": "recurring.token.disabled", "environment": "test"}))
    with pytest.raises(DeliveryMalformedError):
        await adapter.verify(signed_body({}))


@pytest.mark.parametrize(
    ("became", "reply"),
    [(Acknowledgement.STORED, Reply(202, "[accepted]")), (Acknowledgement.REFUSED, Reply(400, ""))],
)
def test_the_answer_that_adyen_wants(adapter: AdyenAdapter, became: Acknowledgement, reply: Reply) -> None:
    assert adapter.acknowledge(delivery(b""), became) == reply
