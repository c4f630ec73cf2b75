"""Whether Stripe sends its events to us: the endpoints that it has for our address, judged. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final
from urllib.parse import urlsplit

import msgspec

from gateway.domain.doctor import Finding, few, notice, ok, wrong

CHECK: Final = "webhook"
BASIL: Final = "2025-03-31"
"""From this version on an invoice paid out of band reads as paid (Stripe's changelog, basil)."""
DELAY: Final = (
    "Stripe waits up to 72 hours with finalizing an invoice whose invoice.created no endpoint has taken "
    "(docs: billing/subscriptions/webhooks)"
)
SET_UP: Final = "have Stripe send its events to {}, and add the signing secret: tollbridge accounts update"


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

    def lacks(self, wanted: Iterable[str]) -> list[str]:
        """Which of these events it does not want. Thin ones carry a `v1.` before the name."""
        if "*" in self.events:
            return []
        named = {event.removeprefix("v1.") for event in self.events}
        return sorted(set(wanted) - named)


def judge(
    found: Sequence[Destination], url: str, wanted: frozenset[str], own_version: str, *, public: bool
) -> list[Finding]:
    """`wanted`: the events that must come; `own_version`: the account's, by which endpoints without one render.

    `public`: our address is the one that the world sees; else endpoints are known by the path alone.
    """
    ours = [one for one in found if _same(one.url, url, public=public)]
    if not ours:
        return [_missing(found, url, public=public)]
    live = [one for one in ours if one.enabled]
    if not live:
        return [
            wrong(CHECK, f"the endpoint for {one.url} is disabled", DELAY, "enable it in Stripe", concerns=one.id)
            for one in ours
        ]
    return [*_events(live, wanted), *_versions(live, own_version), *_twice(live)]


def _missing(found: Sequence[Destination], url: str, *, public: bool) -> Finding:
    elsewhere = [one for one in found if urlsplit(one.url).path.rstrip("/") == urlsplit(url).path]
    if elsewhere and public:
        what = f"Stripe sends the events to {few(one.url for one in elsewhere)}, and TOLLBRIDGE_PUBLIC_URL says {url}"
        to_do = "correct the endpoint's address in Stripe, or TOLLBRIDGE_PUBLIC_URL"
        return wrong(CHECK, what, "what goes to another address does not come here", to_do, concerns=elsewhere[0].id)
    what = f"no endpoint of the account's {len(found)} sends to {url}" if found else "Stripe has no endpoint at all"
    return wrong(CHECK, what, "nothing is heard but what catch-up lists every few minutes", SET_UP.format(url))


def _events(live: Sequence[Destination], wanted: frozenset[str]) -> list[Finding]:
    lacking = set(wanted)
    for one in live:
        lacking &= set(one.lacks(wanted))
    first = live[0]
    if lacking:
        what = f"the endpoint does not want {few(sorted(lacking))}"
        why = "what these tell is seen only by the next walk of catch-up, hours later"
        return [wrong(f"{CHECK}.events", what, why, "add them to the endpoint in Stripe", concerns=first.id)]
    return [ok(f"{CHECK}.events", f"enabled, and wants all {len(wanted)} events that are heeded", concerns=first.id)]


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
            to_do = "make an event destination with thin events in Stripe, then remove this endpoint"
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
