"""Events: each kind accounted for, each told once and alike however often and in whatever order it comes."""

from __future__ import annotations

from collections.abc import Iterable

from processors.capabilities import Webhook
from processors.conformance.checks.check import check
from processors.conformance.scenarios.scenario import InapplicableError
from processors.conformance.stage import stage
from processors.conformance.subject import Impossible, Key, Subject, Told
from processors.events import EventKind, Notice, ProcessorEvent


@check(lambda _subject: tuple(EventKind))
async def each_kind_is_accounted_for(subject: Subject, case: str) -> None:
    """Every kind is told by a recorded notification, polled, or declared impossible, and only one of these."""
    kind, capabilities = EventKind(case), subject.adapter.capabilities
    assert not (kind in capabilities.events and kind in capabilities.polled_events), "told, or found by a poll alone?"
    told = subject.webhooks.told.get(kind)
    if kind in capabilities.events:
        assert isinstance(told, Told), "declared as told, and no notification is recorded"
    elif kind in capabilities.polled_events:
        assert not isinstance(subject.polled, Impossible), "declared as polled, and no poll is recorded"
    else:
        assert not isinstance(told, Told), "declared as impossible, and a notification is recorded"
        raise InapplicableError(told.why if isinstance(told, Impossible) else "declared as impossible")


def _numbers(subject: Subject) -> Iterable[str]:
    return [str(number) for number in range(len(subject.recorded))]


async def _verified(subject: Subject, told: Told) -> tuple[Notice, ...]:
    async with stage(subject, told.fetched) as staged:
        return await staged.adapter.verify(subject.webhooks.deliver((told.item,), Key.CURRENT))


async def _parsed(subject: Subject, told: Told, notice: Notice) -> tuple[ProcessorEvent, ...]:
    async with stage(subject, told.fetched) as staged:
        return await staged.adapter.parse(notice)


@check(_numbers)
async def told_again_it_says_the_same(subject: Subject, case: str) -> None:
    """The same notification gives the same key and the same events, by an adapter that has seen nothing."""
    told = subject.recorded[int(case)]
    first, again = await _verified(subject, told), await _verified(subject, told)
    assert first, "a delivery without a notice"
    assert [one.key for one in first] == [one.key for one in again], "it has another key the second time"
    for one, other in zip(first, again, strict=True):
        assert await _parsed(subject, told, one) == await _parsed(subject, told, other), "it says something else"


@check()
async def the_order_does_not_matter(subject: Subject, _case: str) -> None:
    """What a notification says does not depend on what came before it."""

    async def all_of(recorded: tuple[Told, ...]) -> dict[int, list[tuple[ProcessorEvent, ...]]]:
        said = {}
        for told in recorded:
            async with stage(subject, told.fetched) as staged:
                notices = await staged.adapter.verify(subject.webhooks.deliver((told.item,), Key.CURRENT))
                said[id(told)] = [await staged.adapter.parse(notice) for notice in notices]
        return said

    assert await all_of(subject.recorded) == await all_of(subject.recorded[::-1])


@check()
async def different_notifications_have_different_keys(subject: Subject, _case: str) -> None:
    """A key stands for one notification for ever: two with one key would lose one. A ping has none."""
    keys: dict[str, int] = {}
    kinds: list[str] = []
    for number, told in enumerate(subject.recorded):
        for notice in await _verified(subject, told):
            if subject.adapter.capabilities.webhook is Webhook.UNSIGNED_PING:
                assert notice.key is None, "a ping says the same about different things: nothing dedupes it"
                continue
            if notice.key is not None:
                assert notice.key, "an empty key"
                assert keys.get(notice.key) is None, (
                    f"notifications {keys[notice.key]} and {number} are told apart by nothing"
                )
                keys[notice.key] = number
            kinds.append(notice.kind)
    if kinds:
        assert len(set(kinds)) < len(kinds), "record two notifications of one kind: by their kind alone they are one"


@check()
async def a_batch_is_all_of_its_items(subject: Subject, _case: str) -> None:
    """Where one delivery brings several notifications, each becomes a notice."""
    recorded = subject.recorded
    if not subject.adapter.capabilities.batch:
        raise InapplicableError("a delivery brings one notification")
    single = [notice for told in recorded[:2] for notice in await _verified(subject, told)]
    async with stage(subject) as staged:
        delivery = subject.webhooks.deliver(tuple(told.item for told in recorded[:2]), Key.CURRENT)
        together = await staged.adapter.verify(delivery)
    assert [one.key for one in together] == [one.key for one in single]


@check()
async def nothing_impossible_is_told(subject: Subject, _case: str) -> None:
    """No notification gives an event of a kind that is declared impossible."""
    impossible = subject.adapter.capabilities.impossible_events
    for told in subject.recorded:
        for notice in await _verified(subject, told):
            kinds = {event.kind for event in await _parsed(subject, told, notice)} & impossible
            assert not kinds, f"{', '.join(kinds)} is declared impossible"
