"""Deliveries that hold, and the many that don't; and what they are answered."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from processors.capabilities import Webhook
from processors.conformance.checks.check import check
from processors.conformance.scenarios.scenario import InapplicableError
from processors.conformance.stage import stage
from processors.conformance.subject import Impossible, Key, Subject
from processors.errors import WebhookError
from processors.events import Acknowledgement, Notice, RawDelivery


def _signed(subject: Subject) -> None:
    if subject.adapter.capabilities.webhook is Webhook.UNSIGNED_PING:
        raise InapplicableError("its deliveries are unsigned")


def _delivery(subject: Subject, key: Key = Key.CURRENT, count: int = 1) -> RawDelivery:
    return subject.webhooks.deliver(tuple(told.item for told in subject.recorded[:count]), key)


async def _verify(
    subject: Subject, delivery: RawDelivery, credentials: Mapping[str, str] | None = None
) -> tuple[Notice, ...]:
    async with stage(subject, credentials=credentials) as staged:
        return await staged.adapter.verify(delivery)


async def _refuse(subject: Subject, delivery: RawDelivery, what: str) -> None:
    try:
        notices = await _verify(subject, delivery)
    except WebhookError:
        return
    raise AssertionError(f"{what} was taken, and gave {len(notices)} notices")


@check(lambda subject: [str(number) for number in range(len(subject.recorded))])
async def a_good_signature_holds(subject: Subject, case: str) -> None:
    """Each recorded notification, signed with the current key, is taken; and again, since it's sent until answered."""
    delivery = subject.webhooks.deliver((subject.recorded[int(case)].item,), Key.CURRENT)
    async with stage(subject) as staged:
        assert await staged.adapter.verify(delivery), "a delivery without a notice"
        assert await staged.adapter.verify(delivery), "the same delivery again is without a notice"


@check(lambda subject: [str(number) for number in range(len(subject.recorded))])
async def a_wrong_key_does_not(subject: Subject, case: str) -> None:
    """Signed with another key, none is taken."""
    _signed(subject)
    item = subject.recorded[int(case)].item
    await _refuse(subject, subject.webhooks.deliver((item,), Key.WRONG), "a delivery signed with another key")


@check(lambda subject: [str(number) for number in range(len(subject.recorded))])
async def no_signature_does_not(subject: Subject, case: str) -> None:
    """Without a signature, none is taken."""
    _signed(subject)
    item = subject.recorded[int(case)].item
    await _refuse(subject, subject.webhooks.deliver((item,), Key.ABSENT), "a delivery without a signature")


def _places(_subject: Subject) -> Iterable[str]:
    return ("the first byte", "a quarter", "the middle", "three quarters", "the last byte")


@check(_places)
async def a_changed_body_does_not(subject: Subject, case: str) -> None:
    """A body that differs in one bit is refused; where only some fields are signed, one with such a field changed."""
    _signed(subject)
    delivery = _delivery(subject)
    if subject.webhooks.changed is not None:
        await _refuse(subject, _with_body(delivery, _edited(subject, delivery.body)), "a changed body")
        return
    length = len(delivery.body) - 1
    share = {"the first byte": 0, "a quarter": 0.25, "the middle": 0.5, "three quarters": 0.75, "the last byte": 1}
    flipped = _flip(delivery.body, round(length * share[case]))
    await _refuse(subject, _with_body(delivery, flipped), f"a body with {case} changed")


@check()
async def a_changed_second_item_does_not(subject: Subject, _case: str) -> None:
    """In a batch the second item is verified too."""
    _signed(subject)
    if not subject.adapter.capabilities.batch:
        raise InapplicableError("a delivery brings one notification")
    delivery = _delivery(subject, count=2)
    if subject.webhooks.changed is not None:
        changed = _edited(subject, delivery.body)
    else:
        changed = _flip(delivery.body, round(len(delivery.body) * 0.8))
    await _refuse(subject, _with_body(delivery, changed), "a batch whose second item was changed")


@check()
async def a_reserialised_body_does_not(subject: Subject, _case: str) -> None:
    """The raw bytes are signed: the same JSON written otherwise is refused."""
    _signed(subject)
    delivery = _delivery(subject)
    if subject.webhooks.changed is not None:
        raise InapplicableError("fields are signed, and not the bytes")
    try:
        value = msgspec.json.decode(delivery.body)
    except msgspec.DecodeError:
        raise InapplicableError("the body is no JSON") from None
    compact = msgspec.json.encode(value)
    other = compact if compact != delivery.body else msgspec.json.format(compact, indent=1)
    await _refuse(subject, _with_body(delivery, other), "a body that was written again")


@check()
async def a_repeated_signature_does_not(subject: Subject, _case: str) -> None:
    """A signature's header that comes twice is refused, unless one good signature is declared to be enough."""
    _signed(subject)
    good, bad = _delivery(subject), _delivery(subject, Key.WRONG)
    names = {name for name, value in good.headers if value != bad.header(name)}
    if not names:
        raise InapplicableError("the signature stands in the body")
    wrong = tuple(header for header in bad.headers if header[0] in names)
    await _refuse(subject, _with_headers(bad, wrong), "a wrong signature twice")
    for more in (wrong, tuple(header for header in good.headers if header[0] in names)):
        doubled = _with_headers(good, more)
        if subject.webhooks.takes_repeated_header:
            assert await _verify(subject, doubled), "one good signature is declared to be enough"
        else:
            await _refuse(subject, doubled, "a signature's header that comes twice")


@check()
async def the_previous_key_holds_where_configured(subject: Subject, _case: str) -> None:
    """While a key is changed, both hold; without the previous one configured, it does not."""
    _signed(subject)
    if isinstance(subject.webhooks.previous, Impossible):
        raise InapplicableError(subject.webhooks.previous.why)
    both = {**subject.credentials, **subject.webhooks.previous}
    for key in (Key.CURRENT, Key.PREVIOUS):
        assert await _verify(subject, _delivery(subject, key), both), f"signed with the {key.value} key"
    await _refuse(subject, _delivery(subject, Key.PREVIOUS), "a key that is configured no more")
    try:
        await _verify(subject, _delivery(subject, Key.WRONG), both)
    except WebhookError:
        return
    raise AssertionError("with two keys configured a third is taken")


@check()
async def a_ping_proves_nothing(subject: Subject, _case: str) -> None:
    """An unsigned delivery is only a hint: what it's about is asked for at the processor, each time anew."""
    if subject.adapter.capabilities.webhook is not Webhook.UNSIGNED_PING:
        raise InapplicableError("its deliveries are signed")
    for told in subject.recorded:
        async with stage(subject, told.fetched) as staged:
            for _ in range(2):  # the second ping looks like the first, and what it's about has changed
                before = len(staged.asked)
                notices = await staged.adapter.verify(subject.webhooks.deliver((told.item,), Key.CURRENT))
                assert len(staged.asked) == before, "verifying fetches nothing"
                for notice in notices:
                    await staged.adapter.parse(notice)
                assert len(staged.asked) > before, "an unsigned notice was believed without asking"


NONSENSE = (b"", b"{", b"[]", b"null", b"\xff\xfe", b"a" * 4096, b'{"x":' + b"[" * 9999 + b"]" * 9999 + b"}")


@check()
async def nonsense_is_refused(subject: Subject, _case: str) -> None:
    """A body that is none, and one that is long, is refused without a call and without another error."""
    for body in NONSENSE:
        headers = _delivery(subject).headers
        async with stage(subject) as staged:
            try:
                notices = await staged.adapter.verify(RawDelivery("POST", "https://t.example/w", headers, (), body))
            except WebhookError:
                notices = ()
        assert not notices, f"{body[:20]!r} gave {len(notices)} notices"


@check()
async def deliveries_are_answered(subject: Subject, _case: str) -> None:
    """What was stored is answered as the processor wants it, and so is what was refused."""
    webhooks = subject.webhooks
    async with stage(subject) as staged:
        good, bad = _delivery(subject), _delivery(subject, Key.WRONG)
        stored = staged.adapter.acknowledge(good, Acknowledgement.STORED)
        refused = staged.adapter.acknowledge(bad, Acknowledgement.REFUSED)
    assert stored == webhooks.stored, f"a stored delivery is answered {stored}"
    assert 200 <= stored.status < 300, "a processor sends again what isn't answered 2xx"
    assert (refused.status, refused.body) == (webhooks.refused.status, webhooks.refused.body), f"refused: {refused}"


@check()
async def a_tried_address_is_answered(subject: Subject, _case: str) -> None:
    """A delivery by which the processor only tries the address brings no notice and gets its answer."""
    if isinstance(subject.webhooks.tried, Impossible):
        raise InapplicableError(subject.webhooks.tried.why)
    delivery, wanted = subject.webhooks.tried
    async with stage(subject) as staged:
        try:
            notices, became = await staged.adapter.verify(delivery), Acknowledgement.STORED
        except WebhookError:
            notices, became = (), Acknowledgement.REFUSED
        reply = staged.adapter.acknowledge(delivery, became)
    assert not notices, "an address that is tried tells nothing"
    assert reply == wanted, f"it's answered {reply}, and {wanted} is wanted"


def _with_body(delivery: RawDelivery, body: bytes) -> RawDelivery:
    assert body != delivery.body, "the change changes nothing"
    return msgspec.structs.replace(delivery, body=body)


def _with_headers(delivery: RawDelivery, more: tuple[tuple[str, str], ...]) -> RawDelivery:
    return msgspec.structs.replace(delivery, headers=(*delivery.headers, *more))


def _flip(body: bytes, position: int) -> bytes:
    changed = bytearray(body)
    changed[position] ^= 1
    return bytes(changed)


def _edited(subject: Subject, body: bytes) -> bytes:
    """The last occurrence of what `changed` names, so that in a batch it's the last item's."""
    assert subject.webhooks.changed is not None
    was, becomes = subject.webhooks.changed
    before, found, after = body.rpartition(was)
    assert found, f"{was!r} does not stand in the delivery"
    return before + becomes + after
