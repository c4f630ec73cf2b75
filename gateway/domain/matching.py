"""The ledger against a processor's settlement rows: two sorted streams merged by kind and processor id. Pure.

The streams may be of any length: only what shares a key is held at once. Amounts are those that were charged, in the
currency of the charge; in what the processor pays out is no matter (docs: every processor converts after the fact).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import zip_longest
from typing import Final, TypeAlias

import msgspec

from db.states import BreakKind, Repair
from gateway.domain.breaks import Finding
from processors.settlements import SettlementKind

Key: TypeAlias = tuple[str, str]
"""Kind and processor id."""


class Entry(msgspec.Struct, frozen=True, gc=False):
    """One move of money on either side; `amount` is signed, from the merchant's side.

    `mark` tells apart moves of one key: the ledger's occurrence, the processor's row id. `id` is the movement's or the
    settlement row's own, `named` the invoice, or the reference that the processor shows.
    """

    kind: str
    processor_id: str
    mark: str
    amount: int
    currency: str
    occurred_at: datetime
    id: str
    named: str = ""
    attempt: str = ""
    charge_id: str = ""

    @property
    def key(self) -> Key:
        return (self.kind, self.processor_id)


class Group(msgspec.Struct, frozen=True):
    """Everything of one key."""

    key: Key
    ledger: tuple[Entry, ...] = ()
    settled: tuple[Entry, ...] = ()

    @property
    def is_plain(self) -> bool:
        """One on each side, the same: by far the most groups."""
        if len(self.ledger) != 1 or len(self.settled) != 1:
            return False
        ours, theirs = self.ledger[0], self.settled[0]
        return ours.amount == theirs.amount and ours.currency == theirs.currency and _names(theirs, ours)


class Attempt(msgspec.Struct, frozen=True):
    """An attempt of ours that a settlement row may be about."""

    id: str
    invoice: str


class Standing(msgspec.Struct, frozen=True):
    """What can be asked of a connection's settlement files at `now`.

    `due_after`: how long a move may take to be settled, with the margin. `covered_from`, `covered_to`: the oldest and
    the newest move that its files tell of; outside of that nothing can be missing. `can_look_up`: its processor can be
    asked for a charge.
    """

    connection: str
    now: datetime
    due_after: timedelta
    covered_from: datetime | None = None
    covered_to: datetime | None = None
    can_look_up: bool = True
    can_fetch: bool = True
    """Its processor gives its files to who asks; else somebody uploads them."""


class Wait(StrEnum):
    """Why a move that no file shows is no break."""

    IN_TRANSIT = "in_transit"
    """It is younger than settling takes."""
    NOT_COVERED = "not_covered"
    """No file tells of its time."""


class Verdict(msgspec.Struct):
    """What became of the entries of a group. `elsewhere`: rows of another connection's."""

    matched: int = 0
    elsewhere: int = 0
    findings: list[Finding] = []
    in_transit: list[Entry] = []
    not_covered: list[Entry] = []


def groups(ledger: Iterable[Entry], settled: Iterable[Entry]) -> Iterator[Group]:
    """Merge two streams, each sorted by key (code points), into one group for each key."""
    ours, theirs = iter(ledger), iter(settled)
    left, right = next(ours, None), next(theirs, None)
    while left is not None or right is not None:
        key = min(one.key for one in (left, right) if one is not None)
        mine: list[Entry] = []
        while left is not None and left.key == key:
            mine.append(left)
            left = next(ours, None)
        other: list[Entry] = []
        while right is not None and right.key == key:
            other.append(right)
            right = next(theirs, None)
        yield Group(key, tuple(mine), tuple(other))


def wait_of(entry: Entry, standing: Standing) -> Wait | None:
    """Why it may be that no file shows a move; None where one should."""
    if standing.now - entry.occurred_at <= standing.due_after:
        return Wait.IN_TRANSIT
    covered = standing.covered_from, standing.covered_to
    if covered[0] is None or covered[1] is None or not covered[0] <= entry.occurred_at <= covered[1]:
        return Wait.NOT_COVERED
    return None


def judge(
    group: Group,
    standing: Standing,
    by_reference: Mapping[str, Attempt] = {},
    by_charge: Mapping[str, Attempt] = {},
    elsewhere: AbstractSet[str] = frozenset(),
) -> Verdict:
    """What is wrong with a group, if anything. `by_reference`, `by_charge`: attempts of the connection, as far as the
    group's settlement rows name any; `elsewhere`: references and charges of other connections to the same account at
    the processor, whose files tell of both's."""
    known = _Known(standing, by_reference, by_charge)
    pairs, ledger, left = _paired(group)
    settled = [one for one in left if one.named not in elsewhere and _charge(one) not in elsewhere]
    verdict = Verdict(matched=len(pairs), elsewhere=len(left) - len(settled))
    verdict.findings += [found for ours, theirs in pairs if (found := known.misnamed(ours, theirs)) is not None]
    spare = Counter((one.amount, one.currency) for _, one in pairs)
    for ours, theirs in zip_longest(ledger, settled):
        if theirs is None:
            _unsettled(ours, standing, verdict)
        elif ours is None:
            repeated = spare[theirs.amount, theirs.currency] > 0
            verdict.findings.append(known.unexpected(theirs, repeated=repeated))
            spare[theirs.amount, theirs.currency] += 1
        else:
            verdict.findings.append(_differs(ours, theirs, standing))
            spare[theirs.amount, theirs.currency] += 1
    return verdict


Pairs: TypeAlias = tuple[list[tuple[Entry, Entry]], list[Entry], list[Entry]]


def _paired(group: Group) -> Pairs:
    """What belongs together: by the processor's own id of the move first, then by amount; and what is left over.

    Left over amounts that sum up to the same were told in other portions: a capture that grew, for one.
    """
    marked = {one.mark: one for one in group.settled if one.mark}
    pairs: list[tuple[Entry, Entry]] = []
    ledger, taken = [], set()
    for ours in group.ledger:
        theirs = marked.get(ours.mark) if ours.mark else None
        if theirs is None or theirs.id in taken or (ours.amount, ours.currency) != (theirs.amount, theirs.currency):
            ledger.append(ours)
        else:
            pairs.append((ours, theirs))
            taken.add(theirs.id)
    settled = [one for one in group.settled if one.id not in taken]
    for ours in tuple(ledger):
        alike = (ours.amount, ours.currency)
        same = next((one for one in settled if (one.amount, one.currency) == alike), None)
        if same is not None:
            pairs.append((ours, same))
            ledger.remove(ours)
            settled.remove(same)
    if ledger and settled and _sums(ledger) == _sums(settled):
        pairs += [(ours, settled[0]) for ours in ledger]
        return pairs, [], []
    return pairs, ledger, settled


def _sums(entries: Iterable[Entry]) -> Counter[str]:
    sums: Counter[str] = Counter()
    for one in entries:
        sums[one.currency] += one.amount
    return sums


def _unsettled(ours: Entry, standing: Standing, verdict: Verdict) -> None:
    match wait_of(ours, standing):
        case Wait.IN_TRANSIT:
            verdict.in_transit.append(ours)
        case Wait.NOT_COVERED:
            verdict.not_covered.append(ours)
        case None:
            verdict.findings.append(_missing(ours, standing))


def _missing(ours: Entry, standing: Standing) -> Finding:
    reason = f"the ledger holds this {ours.kind}, and no settlement file shows it"
    return _finding(BreakKind.MISSING_AT_PROCESSOR, standing, reason, _ask(ours, ours.attempt, standing), ours=ours)


def _differs(ours: Entry, theirs: Entry, standing: Standing) -> Finding:
    if ours.currency != theirs.currency:
        reason = f"this {ours.kind} is in {ours.currency} here and in {theirs.currency} there"
        kind, repair = BreakKind.CURRENCY_DIFFERS, Repair.ASK_HUMAN
        return _finding(kind, standing, reason, repair, ours=ours, theirs=theirs)
    reason, repair = f"this {ours.kind} is settled with another amount", _ask(ours, ours.attempt, standing)
    found = _finding(BreakKind.AMOUNT_DIFFERS, standing, reason, repair, ours=ours, theirs=theirs)
    return msgspec.structs.replace(found, amount=abs(ours.amount - theirs.amount))


def _finding(
    kind: BreakKind,
    standing: Standing,
    reason: str,
    repair: Repair,
    *,
    ours: Entry | None = None,
    theirs: Entry | None = None,
    attempt: Attempt | None = None,
) -> Finding:
    """A break about these entries; where the ledger knows none, `attempt` may say what it is about."""
    entry = ours or theirs
    assert entry is not None, "a break is about something"
    return Finding(
        kind=kind,
        subject=subject(standing.connection, entry.key, entry.id),
        amount=abs(entry.amount),
        currency=entry.currency,
        occurred_at=entry.occurred_at,
        repair=repair,
        reason=reason,
        connection=standing.connection,
        invoice=ours.named if ours else attempt.invoice if attempt else "",
        attempt=ours.attempt if ours else attempt.id if attempt else "",
        movement=ours.id if ours else "",
        settlement_row=theirs.id if theirs else "",
        processor_id=entry.processor_id,
        ledger_amount=ours.amount if ours else None,
        other_amount=theirs.amount if theirs else None,
    )


def subject(connection: str, key: Key, mark: str) -> str:
    """How a break of a processor's is called in every run."""
    return msgspec.json.encode((connection, *key, mark)).decode()


def key_of(of: str) -> Key:
    """The key in such a subject."""
    _, kind, processor_id, _ = msgspec.json.decode(of, type=tuple[str, str, str, str])
    return (kind, processor_id)


def _ask(entry: Entry, attempt: str, standing: Standing) -> Repair:
    """Only a charge can be asked for again: of what went back, a human must compare."""
    may = attempt and standing.can_look_up and entry.kind in CHARGES
    return Repair.LOOK_UP_CHARGE if may else Repair.ASK_HUMAN


CHARGES: Final = frozenset({SettlementKind.CAPTURE, SettlementKind.CAPTURE_REVERSED, SettlementKind.CAPTURE_REINSTATED})


def _names(theirs: Entry, ours: Entry) -> bool:
    """Whether the processor's reference may be one of the invoice's. Ours is `{invoice}.{n}`; another, or none, is the
    processor's own affair, and refunds and disputes have references of their own."""
    invoice, _, number = theirs.named.rpartition(".")
    return invoice == ours.named or theirs.kind not in CHARGES or not (invoice.startswith("in_") and number.isdigit())


def _charge(theirs: Entry) -> str:
    return theirs.charge_id or theirs.processor_id


class _Known(msgspec.Struct, frozen=True):
    """The attempts that settlement rows may be about."""

    standing: Standing
    by_reference: Mapping[str, Attempt]
    by_charge: Mapping[str, Attempt]

    def misnamed(self, ours: Entry, theirs: Entry) -> Finding | None:
        """A row whose reference is that of an attempt on another invoice."""
        other = self.by_reference.get(theirs.named)
        if _names(theirs, ours) or other is None or other.invoice == ours.named:
            return None
        reason = f"the ledger has this {ours.kind} for {ours.named}; its reference there is that of {other.invoice}"
        kind, repair = BreakKind.WRONG_INVOICE, Repair.ASK_HUMAN
        return _finding(kind, self.standing, reason, repair, ours=ours, theirs=theirs)

    def unexpected(self, theirs: Entry, *, repeated: bool) -> Finding:
        """A row that the ledger does not know."""
        attempt = self.by_reference.get(theirs.named) or self.by_charge.get(_charge(theirs))
        again = "shows it once more" if repeated else "shows it, and the ledger does not"
        kind = BreakKind.DUPLICATE_AT_PROCESSOR if repeated else BreakKind.MISSING_IN_LEDGER
        repair = _ask(theirs, attempt.id if attempt else "", self.standing)
        reason = f"a {theirs.kind}: the settlement file {again}"
        return _finding(kind, self.standing, reason, repair, theirs=theirs, attempt=attempt)
