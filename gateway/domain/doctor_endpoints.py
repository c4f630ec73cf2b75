"""Whether Stripe sends its events to us: the endpoints that it has for our address, judged. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final
from urllib.parse import urlsplit

import msgspec

from gateway.domain.doctor import ACCOUNT, Finding, few, notice, ok, wrong

CHECK: Final = "webhook"
BASIL: Final = "2025-03-31"
"""From this version on an invoice paid out of band reads as paid (Stripe's changelog, basil)."""
DELAY: Final = (
    "Stripe waits up to 72 hours with finalizing an invoice whose invoice.created no endpoint has taken "
    "(docs: billing/subscriptions/webhooks)"
)


class Destination(msgspec.Struct, frozen=True):
    """A webhook endpoint (v1), or an event destination (v2) that is one. `events`: `*` alone stands for all.

    `version` is that of its snapshots; empty for thin events, and where it is the account's own.
    """

    id: str
    url: str
    enabled: bool
    events: frozenset[str]
    version: str = ""
    thin: bool = False

    def lacks(self, wanted: Iterable[str]) -> set[str]:
        """Which of these events, by their names as snapshots, it does not want. Thin ones carry a `v1.` before it."""
        if "*" in self.events:
            return set()
        return set(wanted) - {event.removeprefix("v1.") for event in self.events}


class Expected(msgspec.Struct, frozen=True):
    """What the account `name` needs at Stripe: `needed` events must come at `url`, `also` should.

    `thin` are the types that only thin events have, where the account needs them; else there is none. `public`: our
    address is the one that the world sees; else endpoints are known by the path alone. `version`: the Stripe account's
    own, by which endpoints without one render.
    """

    name: str
    url: str
    needed: frozenset[str]
    also: frozenset[str] = frozenset()
    thin: frozenset[str] = frozenset()
    version: str = ""
    public: bool = True

    @property
    def set_up(self) -> str:
        """What puts most of it right."""
        return f"tollbridge accounts setup-webhook {self.name}"


def judge(found: Sequence[Destination], expected: Expected) -> list[Finding]:
    """What the endpoints that Stripe has mean for what is expected."""
    ours = [one for one in found if _same(one.url, expected.url, public=expected.public)]
    if not ours:
        return [_missing(found, expected)]
    live = [one for one in ours if one.enabled]
    if not live:
        return [
            wrong(CHECK, f"the endpoint for {one.url} is disabled", DELAY, expected.set_up, concerns=one.id)
            for one in ours
        ]
    return [*_events(live, expected), *_versions(live, expected.version), *_twice(live)]


def _missing(found: Sequence[Destination], expected: Expected) -> Finding:
    url = expected.url
    elsewhere = [one for one in found if urlsplit(one.url).path.rstrip("/") == urlsplit(url).path]
    if elsewhere and expected.public:
        what = f"Stripe sends the events to {few(one.url for one in elsewhere)}, and TOLLBRIDGE_PUBLIC_URL says {url}"
        to_do = f"correct TOLLBRIDGE_PUBLIC_URL, or the endpoint: {expected.set_up}"
        return wrong(CHECK, what, "what goes to another address does not come here", to_do, concerns=elsewhere[0].id)
    what = f"no endpoint of the account's {len(found)} sends to {url}" if found else "Stripe has no endpoint at all"
    return wrong(CHECK, what, "nothing is heard but what catch-up lists every few minutes", expected.set_up)


def _events(live: Sequence[Destination], expected: Expected) -> list[Finding]:
    check, first = f"{CHECK}.events", live[0].id
    needed, also = _lacking(live, expected.needed), _lacking(live, expected.also)
    thin = _lacking([one for one in live if one.thin], expected.thin)
    told = []
    if needed:
        why = "what these tell is seen only by the next walk of catch-up, hours later"
        told.append(wrong(check, f"the endpoint does not want {few(needed)}", why, expected.set_up, concerns=first))
    if also:
        why = "others tell the same, or catch-up does: only later"
        told.append(notice(check, f"the endpoint does not want {few(also)}", why, expected.set_up, concerns=first))
    if thin:
        what = f"no event destination wants {few(f'v1.{name}' for name in thin)}"
        why = "usage is reported, and what Stripe does not count of it is heard only where catch-up lists it"
        told.append(wrong(f"{CHECK}.usage", what, why, expected.set_up))
    wanted = len(expected.needed | expected.also | expected.thin)
    return told or [ok(check, f"enabled, and wants all {wanted} events that are heeded", concerns=first)]


def _lacking(live: Sequence[Destination], wanted: frozenset[str]) -> list[str]:
    """What none of them wants."""
    return sorted(set(wanted).intersection(*(one.lacks(wanted) for one in live)))


def _versions(live: Sequence[Destination], own_version: str) -> list[Finding]:
    check = f"{CHECK}.version"
    told = []
    for one in live:
        version = one.version or own_version
        if one.thin:
            told.append(ok(check, "thin events: they have no version that could grow old", concerns=one.id))
        elif not version:
            told.append(notice(check, "renders events in the account's version, which no event shows", concerns=one.id))
        elif version[:10] < BASIL:
            why = "it is understood; fields moved since, and Stripe recommends thin events, which have no version"
            to_do = f"have thin events instead: tollbridge accounts setup-webhook {ACCOUNT} --thin --roll"
            told.append(notice(check, f"renders events as of {version}, before {BASIL}", why, to_do, concerns=one.id))
        else:
            told.append(ok(check, f"renders events as of {version}", "thin events would need none", concerns=one.id))
    return told


def _twice(live: Sequence[Destination]) -> list[Finding]:
    if len([one for one in live if not one.thin]) < 2:
        return []
    what, why = f"{len(live)} endpoints send the same events here", "repeated ones change nothing, and cost a request"
    to_do = "keep one, unless a move from one to the other is under way"
    return [notice(f"{CHECK}.twice", what, why, to_do, concerns=live[1].id)]


def _same(one: str, other: str, *, public: bool) -> bool:
    """Whether two addresses are one, however their host and port are written."""
    mine, theirs = urlsplit(one), urlsplit(other)
    if mine.path.rstrip("/") != theirs.path.rstrip("/"):
        return False
    return not public or _place(mine.scheme, mine.hostname, mine.netloc) == _place(
        theirs.scheme, theirs.hostname, theirs.netloc
    )


def _place(scheme: str, host: str | None, netloc: str) -> tuple[str, str, str]:
    port = netloc.rpartition(":")[2] if netloc.rpartition(":")[2].isdigit() else ""
    return scheme, host or "", port or {"https": "443", "http": "80"}.get(scheme, "")
