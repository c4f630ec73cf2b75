"""A connection's decline codes: its adapter's table, and the classes that an operator has set over it.

An override counts from the next answer on. It never allows more tries than the card scheme does.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Final

import msgspec

from db import cases, sql
from gateway.accounts.errors import FieldError
from gateway.connections import UnknownAdapterError, adapter_class
from gateway.domain.case_kinds import CaseKind
from gateway.domain.declines import case_subject
from processors.outcome import ADVICE, DeclineClass

LONGEST_CODE: Final = 200
MOST_CODES: Final = 500
UNMAPPED: Final = """
    select id, substr(subject, length($2) + 2) as code from tollbridge.review_case
    where account = $1 and kind = $3 and state = 'open' and starts_with(subject, $2 || ':')
"""


class DeclineCode(msgspec.Struct, frozen=True):
    """One code. `decline_class` is what counts; None while the code is in no table, and `case` asks about it.

    `adapter_class` is the adapter's own, where it has one.
    """

    code: str
    decline_class: DeclineClass | None
    advice: str | None
    overridden: bool
    adapter_class: DeclineClass | None
    case: str | None


async def listed(
    account: str, connection: str, adapter: str, overrides: Mapping[str, DeclineClass]
) -> list[DeclineCode]:
    """Every code of a connection (its id) that the adapter knows, that is classed here, or that waits for a class."""
    try:
        table = adapter_class(adapter).declines.classes
    except UnknownAdapterError:
        table = {}
    asked = {r["code"]: r["id"] for r in await sql.rows(UNMAPPED, account, connection, CaseKind.DECLINE_UNMAPPED)}
    return [_code(code, table, overrides, asked) for code in sorted({*table, *overrides, *asked})]


async def close_cases(account: str, connection: str, codes: Collection[str], now: datetime) -> None:
    """The codes have a class now: nobody needs to be asked. In the caller's transaction."""
    for code in codes:
        await cases.close_by_itself(account, case_subject(connection, code), [CaseKind.DECLINE_UNMAPPED], now)


def _code(
    code: str,
    table: Mapping[str, DeclineClass],
    overrides: Mapping[str, DeclineClass],
    asked: Mapping[str, str],
) -> DeclineCode:
    counts = overrides.get(code, table.get(code))
    advice = None if counts is None else ADVICE[counts].value
    return DeclineCode(code, counts, advice, code in overrides, table.get(code), asked.get(code))


def merged(before: Mapping[str, str], change: Mapping[str, str | None]) -> dict[str, str]:
    """The overrides after a change; None takes one away. Raises FieldError."""
    after = dict(before)
    for code, wanted in change.items():
        if not 1 <= len(code) <= LONGEST_CODE or not code.isprintable():
            raise FieldError("declines", f"a code has 1 to {LONGEST_CODE} letters that can be printed")
        if wanted is None:
            after.pop(code, None)
        else:
            after[code] = _class(code, wanted).value
    if len(after) > MOST_CODES:
        raise FieldError("declines", f"at most {MOST_CODES} codes are classed otherwise")
    return dict(sorted(after.items()))


def _class(code: str, wanted: str) -> DeclineClass:
    try:
        return DeclineClass(wanted)
    except ValueError:
        there = ", ".join(DeclineClass)
        raise FieldError(f"declines.{code}", f"{wanted!r} is no class of declines; there are {there}") from None
