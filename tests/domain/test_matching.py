"""Ledgers and settlement files with planted breaks: exactly the planted ones are found."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from db.states import BreakKind, Repair
from gateway.domain.matching import Attempt, Entry, Group, Standing, Verdict, groups, judge, key_of, subject, wait_of

NOW = datetime(2027, 3, 1, 12, 0, tzinfo=UTC)
DAY = timedelta(days=1)
OLD = NOW - 30 * DAY
STANDING = Standing("con_1", NOW, 4 * DAY, OLD - DAY, NOW)
SIGN = {"capture": 1, "refund": -1, "dispute_withdrawn": -1, "capture_reversed": -1}


def ours(key: str, amount: int = 1000, *, kind: str = "capture", **fields: Any) -> Entry:
    told = {"mark": "", "currency": "eur", "occurred_at": OLD, "id": f"mov_{key}", "named": f"in_{key}"} | fields
    return Entry(kind, key, amount=SIGN[kind] * amount, **told)


def theirs(key: str, amount: int = 1000, *, kind: str = "capture", row: str = "", **fields: Any) -> Entry:
    row = row or f"row_{key}"
    told = {"currency": "eur", "occurred_at": OLD, "named": f"in_{key}.1"} | fields
    return Entry(kind, key, row, SIGN[kind] * amount, id=row, **told)


def judged(ledger: list[Entry], settled: list[Entry], standing: Standing = STANDING, **known: Any) -> Verdict:
    [group] = groups(ledger, settled)
    return judge(group, standing, **known)


def kinds(verdict: Verdict) -> list[BreakKind]:
    return [one.kind for one in verdict.findings]


def test_the_same_on_both_sides_is_plain() -> None:
    [group] = groups([ours("a")], [theirs("a")])
    assert group.is_plain
    assert judge(group, STANDING) == Verdict(matched=1)


def test_what_is_settled_in_other_portions_is_no_break() -> None:
    grown = [ours("a", 600), ours("a", 400, mark="grown to 1000", id="mov_2")]
    assert kinds(judged(grown, [theirs("a", 1000)])) == []
    assert kinds(judged([ours("a", 1000)], [theirs("a", 600), theirs("a", 400, row="row_2")])) == []


def test_moves_of_one_key_are_told_apart_by_the_processors_own_id() -> None:
    taken = [ours("d", kind="dispute_withdrawn", mark=mark, id=mark) for mark in ("m1", "m2")]
    rows = [theirs("d", kind="dispute_withdrawn", row=row) for row in ("m2", "m1")]
    assert judged(taken, rows).matched == 2
    [missing] = judged(taken, rows[:1]).findings
    assert (missing.kind, missing.movement) == (BreakKind.MISSING_AT_PROCESSOR, "m1")


def test_a_row_that_the_ledger_does_not_know() -> None:
    [found] = judged([], [theirs("a")]).findings
    assert (found.kind, found.repair) == (BreakKind.MISSING_IN_LEDGER, Repair.ASK_HUMAN)
    assert (found.ledger_amount, found.other_amount, found.settlement_row) == (None, 1000, "row_a")


def test_a_charge_of_ours_can_be_looked_up() -> None:
    known = {"by_reference": {"in_a.1": Attempt("att_1", "in_a")}}
    [found] = judged([], [theirs("a")], **known).findings
    assert (found.repair, found.attempt, found.invoice) == (Repair.LOOK_UP_CHARGE, "att_1", "in_a")
    [found] = judged([], [theirs("a", kind="refund")], **known).findings
    assert (found.repair, found.attempt) == (Repair.ASK_HUMAN, "att_1"), "a refund can't be looked up by its charge"
    nothing_to_ask = Standing("con_1", NOW, DAY, OLD, NOW, can_look_up=False)
    [found] = judged([], [theirs("a")], nothing_to_ask, **known).findings
    assert found.repair is Repair.ASK_HUMAN


def test_the_same_once_more_is_a_duplicate() -> None:
    verdict = judged([ours("a")], [theirs("a"), theirs("a", row="row_2")])
    assert kinds(verdict) == [BreakKind.DUPLICATE_AT_PROCESSOR]
    assert kinds(judged([], [theirs("a"), theirs("a", row="row_2")])) == [
        BreakKind.MISSING_IN_LEDGER,
        BreakKind.DUPLICATE_AT_PROCESSOR,
    ]


def test_another_amount_more_is_no_duplicate() -> None:
    assert kinds(judged([ours("a")], [theirs("a"), theirs("a", 50, row="row_2")])) == [BreakKind.MISSING_IN_LEDGER]


def test_an_amount_and_a_currency_that_differ() -> None:
    [found] = judged([ours("a")], [theirs("a", 990)]).findings
    assert (found.kind, found.amount) == (BreakKind.AMOUNT_DIFFERS, 10)
    [found] = judged([ours("a")], [theirs("a", currency="usd")]).findings
    assert (found.kind, found.amount) == (BreakKind.CURRENCY_DIFFERS, 1000)


def test_a_reference_of_another_invoices_payment() -> None:
    known = {"by_reference": {"in_b.1": Attempt("att_b", "in_b")}}
    assert kinds(judged([ours("a")], [theirs("a", named="in_b.1")], **known)) == [BreakKind.WRONG_INVOICE]
    assert kinds(judged([ours("a")], [theirs("a", named="in_c.1")], **known)) == [], "of nobody whom we know"
    assert kinds(judged([ours("a")], [theirs("a", named="order 17")], **known)) == []


def test_what_is_young_is_in_transit() -> None:
    young = ours("a", occurred_at=NOW - 4 * DAY)
    assert judged([young], []).in_transit == [young]
    late = ours("a", occurred_at=NOW - 4 * DAY - timedelta(seconds=1))
    assert kinds(judged([late], [])) == [BreakKind.MISSING_AT_PROCESSOR]


def test_nothing_is_missing_where_no_file_tells() -> None:
    for covered in ((None, None), (OLD + DAY, NOW), (OLD - DAY, OLD - timedelta(hours=1))):
        verdict = judged([ours("a")], [], Standing("con_1", NOW, DAY, *covered))
        assert (verdict.findings, len(verdict.not_covered)) == ([], 1), covered


def test_a_subject_names_its_key() -> None:
    for key in (("capture", "psp 1"), ("refund", '"a", b')):
        assert key_of(subject("con_1", key, "row 1")) == key


PLANTED = ("", "", "", *(kind for kind in BreakKind if kind.name in {
    "MISSING_IN_LEDGER", "MISSING_AT_PROCESSOR", "AMOUNT_DIFFERS", "CURRENCY_DIFFERS", "DUPLICATE_AT_PROCESSOR",
    "WRONG_INVOICE"}), "in_transit", "portions")  # fmt: skip


def planted(key: str, plant: str, amount: int, kind: str) -> tuple[list[Entry], list[Entry]]:
    """Both sides of one key, with what was planted there."""
    mine, other = ours(key, amount, kind=kind), theirs(key, amount, kind=kind)
    match plant:
        case BreakKind.MISSING_IN_LEDGER:
            return [], [other]
        case BreakKind.MISSING_AT_PROCESSOR:
            return [mine], []
        case BreakKind.AMOUNT_DIFFERS:
            return [mine], [theirs(key, amount + 1, kind=kind)]
        case BreakKind.CURRENCY_DIFFERS:
            return [mine], [theirs(key, amount, kind=kind, currency="usd")]
        case BreakKind.DUPLICATE_AT_PROCESSOR:
            return [mine], [other, theirs(key, amount, kind=kind, row=f"row_{key}_2")]
        case BreakKind.WRONG_INVOICE:
            return [ours(key, amount)], [theirs(key, amount, named="in_other.1")]
        case "in_transit":
            return [ours(key, amount, kind=kind, occurred_at=NOW)], []
        case "portions":
            return [mine, ours(key, 1, kind=kind, id=f"mov_{key}_2")], [theirs(key, amount + 1, kind=kind)]
        case _:
            return [mine], [other]


@given(
    st.lists(
        st.tuples(st.text("abcé\U0001f600z_", min_size=1, max_size=6), st.sampled_from(PLANTED),
                  st.integers(2, 99_999), st.sampled_from(sorted(SIGN))),
        max_size=40, unique_by=lambda one: one[0],
    )
)  # fmt: skip
def test_exactly_what_was_planted_is_found(keys: list[tuple[str, str, int, str]]) -> None:
    sides = [planted(*one) for one in keys]
    ledger = sorted((one for mine, _ in sides for one in mine), key=lambda one: one.key)
    settled = sorted((one for _, other in sides for one in other), key=lambda one: one.key)
    known = {"in_other.1": Attempt("att_other", "in_other")}
    verdicts = [judge(group, STANDING, known) for group in groups(ledger, settled)]
    found = Counter((one.kind, one.processor_id) for verdict in verdicts for one in verdict.findings)
    assert found == Counter((plant, key) for key, plant, *_ in keys if plant in set(BreakKind))
    assert sum(len(v.in_transit) for v in verdicts) == sum(plant == "in_transit" for _, plant, *_ in keys)


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(1, 3), st.booleans()), max_size=12))
def test_every_entry_has_one_end(moves: list[tuple[str, int, bool]]) -> None:
    """Whatever stands on either side: matched, waiting, or in a finding, and each subject once."""
    ledger = sorted((ours(k, a, id=f"mov_{n}") for n, (k, a, o) in enumerate(moves) if o), key=lambda e: e.key)
    settled = sorted((theirs(k, a, row=f"r{n}") for n, (k, a, o) in enumerate(moves) if not o), key=lambda e: e.key)
    for group in groups(ledger, settled):
        verdict = judge(group, STANDING)
        subjects = [one.subject for one in verdict.findings]
        assert len(set(subjects)) == len(subjects)
        in_doubt = sum(one.amount for one in group.settled) - sum(one.amount for one in group.ledger)
        told = sum((one.other_amount or 0) - (one.ledger_amount or 0) for one in verdict.findings)
        assert told == in_doubt, "the findings explain the whole difference"


@given(st.lists(st.text(max_size=3)), st.lists(st.text(max_size=3)))
def test_merging_loses_nothing(left: list[str], right: list[str]) -> None:
    ledger = [ours(key) for key in sorted(left)]
    settled = [theirs(key) for key in sorted(right)]
    merged = list(groups(ledger, settled))
    assert [one for group in merged for one in group.ledger] == ledger
    assert [one for group in merged for one in group.settled] == settled
    keys = [group.key for group in merged]
    assert keys == sorted(set(keys))


def test_a_wait_is_as_long_as_its_connection_takes() -> None:
    assert wait_of(ours("a", occurred_at=NOW), STANDING) == "in_transit"
    assert wait_of(ours("a"), STANDING) is None
    assert Group(("capture", "a")).is_plain is False
