"""Reconciliation in the console: comparisons and breaks, settlement files that are taken in, and what is taken away."""

from __future__ import annotations

import re
from typing import Any

import httpx
import pytest

from db import sql
from gateway.books import formats
from gateway.domain.roles import Role
from gateway.users.sessions import csrf_of
from tests.api.conftest import MAX_SETTLEMENT
from tests.api.matrix import FILE
from tests.api.seed import Seeded, add_case, seed
from tests.console.conftest import Console
from tests.support.staff import COOKIE, HERE, Person, text_of

READ_AS = {
    "map.date": "Date",
    "map.type": "What",
    "map.processor_id": "Payment",
    "map.amount": "Gross",
    "map.currency": "Curr",
    "kinds": "Sale=capture",
    "units": "decimal",
    "signs": "written",
    "delimiter": ",",
    "decimal": "point",
}


OF_ROW = """
    update tollbridge.reconciliation_break b set connection = r.connection, settlement_row = r.row_id
    from tollbridge.settlement_row r join tollbridge.settlement_file f on f.id = r.file and f.taken_by <> ''
    where b.account = $1 and b.id = $2 and r.account = $1
"""


async def ours(console: Console) -> Seeded:
    return await seed(console.api.runtime, console.api.ours.id)


async def send(person: Person, file: str = FILE, **fields: str) -> httpx.Response:
    """A file that is looked at, and then taken in as it was shown."""
    looked = await post(person, "/settlements/preview", file, **fields)
    if looked.status_code != 200:
        return looked
    return await post(person, "/settlements", file, seen=mark_in(looked), **fields)


def mark_in(page: httpx.Response) -> str:
    found = re.search(r'name="seen" id="seen" value="([0-9a-f]{64})"', page.text)
    assert found is not None, text_of(page)
    return found[1]


async def post(person: Person, to: str, file: str = FILE, *, htmx: bool = False, **fields: str) -> httpx.Response:
    """What the form of settlement files posts: its fields, and the file behind them."""
    parts = {"csrf": csrf_of(person.token), "once": "1", "connection": "practice"} | READ_AS | fields
    files: list[tuple[str, Any]] = [(name, (None, value)) for name, value in parts.items() if value is not None]
    path, headers = f"/console/a/{person.account}{to}", {"cookie": f"{COOKIE}={person.token}"} | HERE
    headers |= {"hx-request": "true"} if htmx else {}
    file_part = ("file", ("C:\\march.csv", file, "text/csv"))
    return await person.http.post(path, files=[*files, file_part], headers=headers)


async def files() -> int:
    return int(await sql.value("select count(*) from tollbridge.settlement_file where taken_by <> ''"))


async def test_a_file_is_taken_in_once_and_how_it_is_read_is_kept(console: Console) -> None:
    await ours(console)
    finance = console[Role.FINANCE]
    taken = await send(finance)
    assert (taken.status_code, "settlement_taken" in taken.headers["location"]) == (303, True)
    row = await sql.row("select name, rows, taken_by from tollbridge.settlement_file where taken_by <> ''")
    assert row is not None
    assert tuple(row) == ("march.csv", 1, finance.user)
    assert "settlement_again" in (await send(finance)).headers["location"]
    shown = await finance.get("/settlements?connection=practice")
    assert 'value="Gross"' in shown.text
    assert "march.csv" in text_of(shown)


async def test_nothing_is_taken_in_that_was_not_shown(console: Console) -> None:
    seeded = await ours(console)
    finance = console[Role.FINANCE]
    german = FILE.replace("10.00", '"42,00"')
    wrong = await post(finance, "/settlements/preview", german)
    assert (wrong.status_code, "'42,00' is no amount" in text_of(wrong)) == (400, True)
    shown = await post(finance, "/settlements/preview", german, decimal="comma")
    assert "march.csv would bring 1 row" in text_of(shown)
    assert "42.00 EUR" in text_of(shown)
    assert await files() == 0
    assert await formats.shown(seeded.account, seeded.connection) is None
    mark = mark_in(shown)
    for file, changed in ((german, {"seen": ""}), (german, {"signs": "by_kind"}), (german.replace("42", "43"), {})):
        refused = await post(finance, "/settlements", file, **{"seen": mark, "decimal": "comma"} | changed)
        assert (refused.status_code, "Look first" in text_of(refused)) == (409, True)
        assert "would bring 1 row" in text_of(refused), "and there it is, to be looked at"
    assert await files() == 0
    taken = await post(finance, "/settlements", german, seen=mark, decimal="comma")
    assert taken.status_code == 303
    assert "42.00 EUR" in text_of(await finance.get("/settlements"))
    assert "This file is here already" in text_of(await post(finance, "/settlements/preview", german, decimal="comma"))


async def test_the_preview_is_a_part_of_the_page_for_htmx(console: Console) -> None:
    await ours(console)
    finance = console[Role.FINANCE]
    shown = await post(finance, "/settlements/preview", htmx=True)
    assert ("<html" in shown.text, "choose the same one again" in text_of(shown)) == (False, False)
    assert (await post(finance, "/settlements", seen=mark_in(shown))).status_code == 303
    wrong = await post(finance, "/settlements/preview", FILE.replace("10.00", "ten"), htmx=True)
    assert (wrong.status_code, "Line 2, column 'Gross'" in text_of(wrong)) == (200, True)
    assert 'id="seen" value=""' in wrong.text, "what was shown before is not what is chosen now"


async def test_a_file_that_was_read_wrongly_is_forgotten_with_a_reason(console: Console) -> None:
    await ours(console)
    finance = console[Role.FINANCE]
    await send(finance)
    file = str(await sql.value("select id from tollbridge.settlement_file where taken_by <> ''"))
    assert f"/settlements/{file}" in (await finance.get("/settlements")).text
    shown = await finance.get(f"/settlements/{file}")
    assert ("By finance" in text_of(shown), 'name="anyway"' in shown.text) == (True, False)
    no_reason = await finance.post(f"/settlements/{file}/forget", {"reason": " "})
    assert (no_reason.status_code, await files()) == (400, 1)
    await sql.rows("update tollbridge.settlement_file set taken_at = taken_at - interval '1 day'")
    assert 'name="anyway"' in (await finance.get(f"/settlements/{file}")).text
    late = await finance.post(f"/settlements/{file}/forget", {"reason": "wrong decimals"})
    assert (late.status_code, "the journal of that day would change" in text_of(late)) == (400, True)
    assert "wrong decimals" in text_of(late), "what was typed stands there still"
    gone = await finance.post(f"/settlements/{file}/forget", {"reason": "wrong decimals", "anyway": "yes"})
    assert "The file is forgotten" in text_of(await finance.get(gone.headers["location"]))
    assert await files() == 0
    assert (await send(finance)).status_code == 303, "it can be given again"
    log = text_of(await finance.get("/audit"))
    for said in ("took a settlement file in", "had a settlement file forgotten", "wrong decimals"):
        assert said in log.replace("Took", "took").replace("Had", "had"), said


async def test_a_break_leads_to_the_file_that_its_row_came_by(console: Console) -> None:
    seeded = await ours(console)
    finance = console[Role.FINANCE]
    await send(finance)
    row = await sql.row("select row_id, file from tollbridge.settlement_row where amount = 1000")
    assert row is not None
    change = "update tollbridge.reconciliation_break set settlement_row = $2, connection = $3 where id = $1"
    await sql.rows(change, seeded.reconciliation_break, row["row_id"], seeded.connection)
    shown = await finance.get(f"/breaks/{seeded.reconciliation_break}")
    assert f"/settlements/{row['file']}" in shown.text
    assert "It came by march.csv" in text_of(shown)


async def test_what_is_taken_out_of_the_form_is_kept_no_more(console: Console) -> None:
    seeded = await ours(console)
    first, *rows = FILE.splitlines()
    other = "\n".join([f'{first},"Our, number"', *(f"{row},4" for row in rows)])
    taken = await send(
        console[Role.FINANCE], other, kinds="Sale=capture\nOld=refund", **{"map.reference": "Our, number"}
    )
    assert taken.status_code == 303, text_of(taken)
    again = await send(console[Role.FINANCE], kinds="Sale=capture\n\n a=b=refund ")
    assert again.status_code == 303, text_of(again)
    kept = await formats.shown(seeded.account, seeded.connection)
    assert kept is not None
    assert kept.kinds == {"Sale": "capture", "a=b": "refund"}
    assert kept.columns == {
        "date": "Date", "type": "What", "processor_id": "Payment", "amount": "Gross", "currency": "Curr",
    }  # fmt: skip
    shown = await console[Role.FINANCE].get("/settlements?connection=practice")
    assert ("a=b=refund" in shown.text, "Old" in shown.text) == (True, False)


async def test_a_file_without_the_proof_of_its_form_is_refused(console: Console) -> None:
    await ours(console)
    finance = console[Role.FINANCE]
    for csrf in ("", "made up", console[Role.ADMIN].csrf):
        assert (await send(finance, csrf=csrf)).status_code == 403
    foreign = {"cookie": f"{COOKIE}={finance.token}", "sec-fetch-site": "cross-site"}
    path = f"/console/a/{finance.account}/settlements"
    refused = await finance.http.post(path, files={"file": ("x.csv", FILE)}, headers=foreign)
    assert (refused.status_code, await files()) == (403, 0)


async def test_proof_behind_the_file_is_none(console: Console) -> None:
    await ours(console)
    finance = console[Role.FINANCE]
    parts = [("file", ("x.csv", FILE)), ("csrf", (None, finance.csrf)), ("connection", (None, "practice"))]
    headers = {"cookie": f"{COOKIE}={finance.token}"} | HERE
    refused = await finance.http.post(f"/console/a/{finance.account}/settlements", files=parts, headers=headers)
    assert (refused.status_code, await files()) == (403, 0)


async def test_a_file_that_is_too_long_is_refused(console: Console) -> None:
    await ours(console)
    finance = console[Role.FINANCE]
    refused = await send(finance, "x" * (MAX_SETTLEMENT + 1))
    assert (refused.status_code, await files()) == (413, 0)
    assert (await send(finance, csrf="x" * 70_000)).status_code == 413


async def test_whoever_is_not_signed_in_is_led_there_before_the_file_is_read(console: Console) -> None:
    finance = console[Role.FINANCE]
    nobody = Person(finance.http, "", "made up", finance.account)
    led = await send(nobody, "x" * (MAX_SETTLEMENT + 1))
    assert (led.status_code, led.headers["location"]) == (303, "/console/sign-in")


async def test_what_is_no_form_with_a_file_is_refused(console: Console) -> None:
    finance = console[Role.FINANCE]
    assert (await finance.post("/settlements", {"connection": "practice"})).status_code == 415
    path, headers = f"/console/a/{finance.account}/settlements", {"cookie": f"{COOKIE}={finance.token}"} | HERE
    for body in (b"", b"--x\r\nrubbish", b'--x\r\nContent-Disposition: form-data; name="csrf"\r\n\r\ncut'):
        broken = await finance.http.post(
            path, content=body, headers=headers | {"content-type": "multipart/form-data; boundary=x"}
        )
        assert broken.status_code == 400, body


async def test_what_is_wrong_with_a_file_is_said_in_the_form(console: Console) -> None:
    await ours(console)
    finance = console[Role.FINANCE]
    for file, fields, said in (
        ("Date\n", {}, "no column 'What'"),
        (FILE, {"map.amount": ""}, "amount"),
        (FILE, {"kinds": "Sale=gift"}, "'gift' is none of"),
        (FILE, {"kinds": "Sale"}, "'Sale' is not WORD=KIND"),
        (FILE, {"units": "pounds"}, "'pounds' is none of decimal, minor"),
    ):
        refused = await send(finance, file, **fields)
        assert refused.status_code == 400
        assert said in text_of(refused)
        assert 'value="Payment"' in refused.text, "what was typed stands there still"
    assert (await send(finance, connection="nowhere")).status_code == 404
    assert await files() == 0


async def test_whoever_may_not_reconcile_changes_nothing(console: Console) -> None:
    seeded = await ours(console)
    support = console[Role.SUPPORT]
    for path in ("/settlements", "/settlements/preview"):
        assert (await post(support, path)).status_code == 403
    assert (await support.post(f"/settlements/{seeded.settlement}/forget", {"reason": "x"})).status_code == 403
    shown = await support.get(f"/settlements/{seeded.settlement}")
    assert (shown.status_code, "Forget" in shown.text) == (200, False)
    assert (await support.post("/reconciliations")).status_code == 403
    assert (await support.post(f"/breaks/{seeded.reconciliation_break}/repair")).status_code == 403
    assert await files() == 0
    assert await sql.value("select count(*) from tollbridge.reconciliation where state = 'queued'") == 0
    assert await sql.value("select repair_asked_at from tollbridge.reconciliation_break") is None


async def test_a_comparison_is_asked_for(console: Console) -> None:
    finance = console[Role.FINANCE]
    asked = await finance.post("/reconciliations", {"whole": "on"})
    row = await sql.row("select id, asked_by, whole, live from tollbridge.reconciliation")
    assert row is not None
    assert tuple(row)[1:] == (finance.user, True, False)
    shown = text_of(await finance.get(asked.headers["location"]))
    assert "A worker is at it" in shown
    assert "Asked by finance" in text_of(await finance.get(f"/reconciliations/{row['id']}"))


async def test_a_break_says_what_differs_and_its_repair_is_a_button(console: Console) -> None:
    seeded = await ours(console)
    finance, path = console[Role.FINANCE], f"/breaks/{seeded.reconciliation_break}"
    listed = text_of(await finance.get(f"/reconciliations/{seeded.reconciliation}"))
    assert "Surplus not returned" in listed
    assert "reads the invoice at Stripe again" in listed
    shown = text_of(await finance.get(path))
    assert "1.00 EUR" in shown
    assert (await finance.post(f"{path}/repair")).status_code == 303
    asked = await finance.get(f"{path}/repair")
    assert "a worker is about to try it" in text_of(asked)
    assert 'hx-trigger="load delay:2s"' in asked.text
    assert f'{path}">Look again</a>' in asked.text, "also for a browser without scripts"
    await sql.rows("update tollbridge.reconciliation_break set to_run = 2, seen_run = 1")
    gone = await finance.post(f"{path}/repair")
    assert (gone.status_code, "The books agree again" in text_of(gone)) == (409, True)


async def test_a_break_leads_to_its_case_and_names_its_file(console: Console) -> None:
    seeded = await ours(console)
    broken, account = seeded.reconciliation_break, console.api.ours.id
    case = await add_case(account, broken, kind="break_to_explain")
    await send(console[Role.FINANCE])
    await sql.rows(OF_ROW, account, broken)
    shown = await console[Role.FINANCE].get(f"/breaks/{broken}")
    assert f'<a href="/console/a/ours/cases/{case}">' in shown.text
    assert "It came by march.csv" in text_of(shown)


async def test_settlements_of_another_accounts_connection_are_not_to_be_found(console: Console) -> None:
    theirs = await seed(console.api.runtime, console.api.theirs.id)
    assert (await console[Role.ADMIN].get(f"/settlements?connection={theirs.connection}")).status_code == 404


async def test_the_journal_and_the_breaks_are_taken_away_as_files(console: Console) -> None:
    seeded = await ours(console)
    finance = console[Role.FINANCE]
    file = await finance.get("/exports/journal?from=2027-03-01&to=2027-03-01&format=csv")
    assert file.headers["content-disposition"] == 'attachment; filename="journal-2027-03-01-2027-03-01.csv"'
    assert file.headers["content-type"].startswith("text/csv")
    assert seeded.invoice in file.text
    breaks = await finance.get(f"/reconciliations/{seeded.reconciliation}/report")
    assert seeded.reconciliation_break in breaks.text
    for query in ("from=2027-03-02&to=2027-03-01", "from=soon&to=2027-03-01"):
        refused = await finance.get(f"/exports/journal?{query}")
        assert (refused.status_code, 'name="to" value="2027-03-01"' in refused.text) == (400, True)


async def test_exports_are_for_finance(console: Console) -> None:
    seeded = await ours(console)
    support = console[Role.SUPPORT]
    report = f"/reconciliations/{seeded.reconciliation}/report"
    for path in ("/exports", "/exports/journal?from=2027-03-01&to=2027-03-01", report):
        assert (await support.get(path)).status_code == 403
    assert "Exports" not in text_of(await support.get("/cases"))


@pytest.mark.parametrize(
    ("change", "path"),
    [
        (
            "update tollbridge.reconciliation set state = 'queued', began_at = null, finished_at = null",
            "/reconciliations/{reconciliation}",
        ),
        ("update tollbridge.reconciliation_break set repair_asked_at = now()", "/breaks/{reconciliation_break}"),
        (
            """insert into tollbridge.cancellation (id, account, subscription, ends, origin, state, created_at)
               select 'can_x', account, id, 'period_end', 'asked', 'wanted', now() from tollbridge.subscription""",
            "/subscriptions/{subscription}",
        ),
    ],
)
async def test_a_page_that_is_left_open_keeps_no_session_alive_for_ever(
    console: Console, change: str, path: str
) -> None:
    """Half an hour passes between two looks here, and nobody is at the desk: the page stops looking by itself."""
    seeded = await ours(console)
    await sql.rows(change)
    names = {name: getattr(seeded, name) for name in seeded.__dataclass_fields__}
    page = await console[Role.VIEWER].get(path.format_map(names))
    looks = 0
    while (found := re.search(r'hx-get="([^"]*)" hx-trigger="(?:every|load delay)', page.text)) is not None:
        looks += 1
        assert looks <= 100, "it is looked at for ever"
        await sql.rows("update tollbridge.console_session set seen_at = seen_at - interval '30 minutes'")
        page = await console[Role.VIEWER].get(found[1], **{"hx-request": "true"})
        assert page.status_code == 200
    assert looks == 100
    assert "Look again" in page.text
