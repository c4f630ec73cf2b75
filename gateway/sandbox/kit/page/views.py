"""What the page shows, as values for its template."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

import msgspec
from markupsafe import Markup, escape

from gateway.sandbox.kit.calls import Call
from gateway.sandbox.kit.delivery import Attempt, Letter
from gateway.sandbox.kit.faults import Fault
from gateway.sandbox.kit.page import shelves, tables
from gateway.sandbox.kit.page.tables import Cell, Table
from gateway.sandbox.kit.sandbox import Sandbox

RECENT = 8
CALLS = ("time", "method", "path", "status", "fault", "idempotency key")
TRIES = ("time", "answer", "type", "event", "about", "try", "endpoint")
WAITING = ("due", "type", "event", "about", "try", "endpoint")
IDS = re.compile(r'"([a-z]+_[A-Za-z0-9_]{8,})"')


def pick(accounts: dict[str, Any], wanted: str, calls: Sequence[Call]) -> Any:
    """The account to show: the one asked for, else the one that was called last; None where there is none."""
    by_id = {account.id: account for account in accounts.values()}
    last = next((call.account for call in islice(reversed(calls), RECENT) if call.account), None)
    return by_id.get(wanted) or by_id.get(last or "") or next(iter(by_id.values()), None)


def calls(sandbox: Sandbox, page: int = 1, search: str = "") -> Table:
    log = sandbox.calls
    numbered = zip(range(log.total, 0, -1), reversed(log), strict=False)
    found = ((n, call) for n, call in numbered if not search or search in f"{call.method} {call.path} {call.fault}")
    empty = "No calls yet: point your program at this address." if not search else "No call fits."
    return tables.of(found, page, len(log), CALLS, _call, empty)


def _call(numbered: tuple[int, Call]) -> list[Cell]:
    number, call = numbered
    return [
        Cell(tables.when(call.at), f"call={number}", number=True),
        Cell(call.method),
        Cell(call.path),
        tables.status_cell(call.status),
        Cell(call.fault or "", mood="bad"),
        Cell(call.idempotency_key or ""),
    ]


def call(sandbox: Sandbox, number: int) -> Call | None:
    """A call by its running number, which it keeps when older ones are forgotten."""
    at = number - 1 - (sandbox.calls.total - len(sandbox.calls))
    return sandbox.calls[at] if 0 <= at < len(sandbox.calls) else None


def tries(sandbox: Sandbox, page: int = 1, event: str = "") -> Table:
    log = sandbox.delivery.log
    found = (one for one in reversed(log) if not event or one.event == event)
    return tables.of(found, page, len(log), TRIES, _attempt, "No webhook has been sent yet.")


def _attempt(one: Attempt) -> list[Cell]:
    answer = tables.status_cell(one.status)
    if one.error or one.forged:
        said = "; ".join(part for part in (one.forged and f"forged: {one.forged}", one.error) if part)
        answer = Cell(said if one.status is None else f"{one.status} ({said})", mood=answer.mood)
    return [
        Cell(tables.when(one.at), number=True),
        answer,
        Cell(one.type),
        Cell(one.event, f"id={one.event}"),
        Cell(one.object, f"id={one.object}"),
        Cell(str(one.attempt), number=True),
        Cell(one.url),
    ]


def waiting(sandbox: Sandbox, page: int = 1) -> Table:
    queue = sandbox.delivery.queue
    return tables.of(iter(queue), page, len(queue), WAITING, _letter, "Nothing waits.")


def _letter(one: Letter) -> list[Cell]:
    return [
        Cell(tables.when(one.due_at), number=True),
        Cell(one.event.type),
        Cell(one.event.id, f"id={one.event.id}"),
        Cell(one.event.object_id, f"id={one.event.object_id}"),
        Cell(str(one.attempt), number=True),
        Cell(one.endpoint.url if one.endpoint.is_open else "(closed)"),
    ]


def objects(account: Any, shelf: str, page: int, search: str) -> Table:
    held = shelves.shelves(account).get(shelf, {})
    return tables.of_objects(_newest(held, search), page, len(held))


def _newest(held: shelves.Shelf, search: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for id in reversed(held):
        item = held[id]
        row = item if isinstance(item, dict) else _row(item)
        if not search or search in id or any(search in one for one in row.values() if isinstance(one, str)):
            yield id, row


def _row(item: Any) -> dict[str, Any]:
    """The fields of one that is no dict, without rendering it; an event says how its delivery stands."""
    names = getattr(item, "__struct_fields__", None) or getattr(item, "__slots__", None) or vars(item)
    row = {name: getattr(item, name) for name in names}
    if "endpoints" in row and "waiting" in row:
        row["status"] = "waiting" if row["waiting"] else "delivered" if row["endpoints"] else "nobody asked"
    return row


def pretty(value: Any, account: Any) -> Markup:
    """JSON to read, with a link behind every id that this account knows."""
    held = list(shelves.shelves(account).values()) if account else []
    text = msgspec.json.format(msgspec.json.encode(value, enc_hook=str), indent=2).decode()
    parts, at = [], 0
    for found in IDS.finditer(text):
        id = found[1]
        if any(id in shelf for shelf in held):
            parts += [escape(text[at : found.start(1)]), Markup('<a href="/?id={0}">{0}</a>').format(id)]
            at = found.end(1)
    return Markup("").join([*parts, escape(text[at:])])


def fault_text(fault: Fault) -> str:
    """A fault in words."""
    what = [str(fault.effect).replace("_", " ")]
    if fault.effect.startswith("error"):
        what.append(str(fault.status))
    what += [str(fault.body)] if fault.body else []
    what += [str(fault.latency)] if fault.latency else []
    what += [f"{fault.delay_s:g} s"] if fault.delay_s else []
    what += [f"{fault.probability * 100:g} % of them, seed {fault.seed}"] if fault.probability < 1 else []
    return ", ".join(what)
