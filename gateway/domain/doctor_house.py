"""What our own rows show, judged: queues, workers, refused deliveries, subscriptions, policies. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

import msgspec

from gateway.domain.doctor import ACCOUNT, Finding, ago, few, notice, ok, wrong
from gateway.domain.policy import Policy

SWEPT: Final = timedelta(minutes=5)
"""Workers sweep every few seconds: what waits longer than this waits for a worker."""
STUCK: Final = timedelta(minutes=30)
SILENT_S: Final = 60.0
"""Workers beat every ten seconds."""
WORK: Final = "start a worker: tollbridge work"
REPLAY: Final = "tollbridge inbox list; a worker that lives tries it again by itself"


class Waiting(msgspec.Struct, frozen=True):
    """What waits in one queue. `late`: how long the first has been due; None where nothing is."""

    name: str
    count: int
    late: timedelta | None
    what_to_do: str = WORK


class Setting(msgspec.Struct, frozen=True):
    """How one kind of living subscription is set, and an example. `days`: until due, of those that are sent."""

    days: int
    count: int
    example: str


class Refused(msgspec.Struct, frozen=True):
    """What one door refused in the last hour. `door`: `stripe`, or a connection's name; `reason`: the last one."""

    door: str
    count: int
    reason: str

    @property
    def meaning(self) -> str:
        return {
            "signature_wrong": "their signature does not hold: a stranger knocks, or our secret is not the endpoint's",
            "no_secret": "the account has no signing secret, so that nothing is let in",
            "signature_old": "they were signed more than five minutes ago: replayed by a stranger, or clocks differ",
            "signature_in_the_future": "they are signed for later than now: by a stranger, or clocks differ",
            "livemode": "test events for a live account, or the reverse",
        }.get(self.reason, "the adapter does not accept them: a stranger knocks, or the webhook secret is another")


def judge_waiting(one: Waiting) -> Finding:
    check = f"queue.{one.name}"
    if one.late is None or one.late <= SWEPT:
        return ok(check, f"{one.count} wait, none of them late" if one.count else "nothing waits")
    what = f"{one.count} wait, the first for {ago(one.late)}"
    if one.late <= STUCK:
        return notice(check, what, "workers take what is due within seconds", one.what_to_do)
    return wrong(check, what, "workers take what is due within seconds", one.what_to_do)


def judge_beat(beat_s: float | None) -> Finding:
    """`beat_s`: how long ago some worker last said that it lives."""
    why = "nothing is routed, collected, recorded or told without one"
    if beat_s is None:
        return wrong("workers", "no worker has ever run", why, WORK)
    if beat_s > SILENT_S:
        return wrong("workers", f"no worker has lived for {ago(timedelta(seconds=beat_s))}", why, WORK)
    return ok("workers", f"a worker lives, heard {beat_s:.0f} s ago")


def judge_refused(one: Refused) -> Finding:
    """A notice, whatever the reason: who knows an address may knock there. What Stripe itself can't deliver waits at
    Stripe, and is wrong as `deliveries`."""
    to_do = "nothing, unless `deliveries` says that events wait for an endpoint"
    if one.door != "stripe":
        to_do = "if they are the processor's, compare the webhook secret: tollbridge connections check"
    what = f"{one.count} deliveries were refused in the last hour ({one.reason})"
    return notice("signatures", what, one.meaning, to_do, concerns=one.door)


def judge_days(found: Sequence[Setting], policy: Policy) -> list[Finding]:
    """Whether the ladder fits into the days that subscriptions leave until their invoices are due."""
    told = []
    for one in found:
        room = one.days * 24 - policy.margin_hours
        tries = [hours for hours in policy.ladder_hours if hours <= room]
        if len(tries) == len(policy.ladder_hours):
            continue
        what = f"{one.count} subscriptions leave {one.days} days: {len(tries)} of {len(policy.ladder_hours)} tries fit"
        why = f"tries follow after {few(str(h) for h in policy.ladder_hours)} hours, and none in the last "
        why += f"{policy.margin_hours} hours"
        to_do = "raise days_until_due of these subscriptions in Stripe, or shorten the policy ladder_hours"
        judge = notice if tries else wrong
        told.append(judge("days_until_due", what, why, to_do, concerns=one.example))
    return told or [ok("days_until_due", "the ladder fits into what all subscriptions leave")]


def contradictions(policy: Policy) -> list[Finding]:
    """Policies that are fine alone and undo each other. What could never work is refused when it is saved."""
    default, told = Policy(), []
    pairs = (
        (
            policy.access_closes == "never" and "cancel_subscription" in (*policy.at_end, *(policy.at_end_first or ())),
            "access_closes is never, and at_end cancels the subscription",
            "a cancelled subscription has no access, so that it closes in the end all the same",
        ),
        (
            policy.access_closes == "at_end" and policy.at_end == (),
            "access_closes is at_end, and at_end does nothing",
            "the invoice stays open for ever, and its access is closed",
        ),
        (
            bool(policy.returns_up_to) and policy.returns == "case",
            "returns_up_to has limits, and returns asks a human always",
            "the limits are never looked at",
        ),
        (
            policy.fallback_after != default.fallback_after and policy.fallback != "soft",
            f"fallback_after is {policy.fallback_after}, and fallback is {policy.fallback}",
            "it counts only where fallback is soft",
        ),
        (
            policy.partial_payment == "top_up" and len(policy.ladder_hours) == 1,
            "partial_payment is top_up, and the ladder has one try",
            "the rest is charged once at most, and split after that",
        ),
        (
            policy.due_soon_days >= policy.days_until_due > 0 and policy.due_soon_days > 0,
            f"due_soon_days is {policy.due_soon_days}, and invoices leave {policy.days_until_due} days",
            "the merchant is told of every invoice as soon as it is open",
        ),
    )  # fmt: skip
    for holds, what, why in pairs:
        if holds:
            told.append(notice("policies", what, why, f"tollbridge accounts update {ACCOUNT} --policy NAME=VALUE"))
    return told or [ok("policies", "no policy undoes another")]
