"""Settlement files that people upload: any columns, any words, each row once."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from db import sql
from gateway.accounts.audit import Author
from gateway.accounts.errors import FieldError, NotThereError
from gateway.books import formats
from gateway.books.files import read
from gateway.books.forget import forget
from gateway.books.formats import Format
from gateway.books.rows import RowChangedError, Taken
from gateway.books.settlements import look, mark_of, upload
from gateway.books.totals import Total
from gateway.readers.settlements import find_settlements
from tests.db.rows import World

BY = Author("test")
PLAIN = Format(
    columns={"date": "Created", "type": "Type", "id": "Row", "processor_id": "Payment", "amount": "Gross",
             "currency": "Currency", "fee": "Fee", "net": "Net"},
    kinds={"Payment": "capture", "Reserve": "ignore"},
)  # fmt: skip
HEAD = "Row,Created,Type,Payment,Gross,Currency,Fee,Net\n"
LINE = "r1,2027-03-01T10:00:00Z,Payment,psp_1,10.00,EUR,0.30,9.70\n"


@pytest.fixture
async def rows(database: str) -> World:
    return await World.make()


def written(tmp_path: Path, *lines: str, head: str = HEAD, encoding: str = "utf-8") -> Path:
    path = tmp_path / "settlement.csv"
    path.write_text(head + "".join(lines), encoding=encoding)
    return path


async def take(world: World, path: Path, form: Format | None = PLAIN) -> Taken:
    return await upload(BY, world.account, world.connection, path, form)


async def stored() -> list[dict[str, Any]]:
    return [dict(r) for r in await sql.rows("select * from tollbridge.settlement_row order by row_id")]


async def test_a_row_by_its_columns(rows: World, tmp_path: Path) -> None:
    taken = await take(rows, written(tmp_path, LINE, encoding="utf-8-sig"))
    assert (taken.rows, taken.new) == (1, 1)
    [row] = await stored()
    assert (row["row_id"], row["kind"], row["processor_id"]) == ("r1", "capture", "psp_1")
    assert (row["amount"], row["currency"], row["settled"], row["fee"], row["net"]) == (1000, "eur", 1000, 30, 970)
    assert row["occurred_at"].isoformat() == "2027-03-01T10:00:00+00:00"


async def test_the_format_is_kept(rows: World, tmp_path: Path) -> None:
    with pytest.raises(FieldError, match="no format yet"):
        await take(rows, written(tmp_path, LINE), None)
    await take(rows, written(tmp_path, LINE))
    assert await formats.shown(rows.account, rows.connection) == PLAIN
    again = await take(rows, written(tmp_path, LINE.replace("r1", "r2")), None)
    assert again.new == 1


async def test_the_same_file_and_rows_that_overlap_come_once(rows: World, tmp_path: Path) -> None:
    first = await take(rows, written(tmp_path, LINE))
    again = await take(rows, written(tmp_path, LINE))
    assert (again.id, again.rows, again.new, again.again) == (first.id, 1, 1, True)
    overlapping = await take(rows, written(tmp_path, LINE, LINE.replace("r1", "r2")))
    assert (overlapping.rows, overlapping.new, len(await stored())) == (2, 1, 2)


@pytest.mark.parametrize("now", ["11.00,EUR,0.30,10.70", "10.00,EUR,0.40,9.60", "10.00,USD,0.30,9.70"])
async def test_a_row_that_says_something_else_refuses_the_file(rows: World, tmp_path: Path, now: str) -> None:
    await take(rows, written(tmp_path, LINE))
    changed = LINE.replace("10.00,EUR,0.30,9.70", now)
    with pytest.raises(RowChangedError, match="r1"):
        await take(rows, written(tmp_path, changed, LINE.replace("r1", "r2")))
    with pytest.raises(RowChangedError, match="r3"):
        await take(rows, written(tmp_path, LINE.replace("r1", "r3"), changed.replace("r1", "r3")))
    assert len(await stored()) == 1


async def test_rows_without_an_id_are_known_by_what_they_say(rows: World, tmp_path: Path) -> None:
    columns = {field: column for field, column in PLAIN.columns.items() if field != "id"}
    form = Format(columns=columns, kinds=PLAIN.kinds)
    await take(rows, written(tmp_path, LINE, LINE), form)
    assert len(await stored()) == 2, "twice the same in one file is twice"
    again = await take(rows, written(tmp_path, LINE, LINE, LINE.replace("psp_1", "psp_2")), form)
    assert again.new == 1


async def test_a_row_is_found_by_our_reference_alone(rows: World, tmp_path: Path) -> None:
    """Also where the processor's id becomes known only later."""
    form = Format(columns={"date": "d", "type": "t", "reference": "ref", "amount": "a", "currency": "c"})
    first, second = f"{rows.invoice}.1", f"{rows.invoice}.2"
    attempt = await rows.attempt(number=1, state="succeeded", processor_id="psp_1", surplus=True)
    head, line = "d,t,ref,a,c\n", "2027-03-01,capture,{},10.00,eur\n"
    await take(rows, written(tmp_path, line.format(first), line.format(second), head=head), form)
    assert sorted(r["processor_id"] for r in await stored()) == sorted(["psp_1", second])
    assert attempt
    await rows.attempt(number=2, state="succeeded", processor_id="psp_2")
    await take(rows, written(tmp_path, line.format("other"), head=head), form)
    assert {r["processor_id"] for r in await stored()} == {"psp_1", "psp_2", "other"}


@pytest.mark.parametrize(
    ("cells", "change", "says"),
    [
        ("1.000,50;-0,30", {"decimal_comma": True, "delimiter": ";"}, (100050, -30)),
        ("1,000.50;0.30", {"delimiter": ";"}, (100050, 30)),
        ("100050;30", {"delimiter": ";", "units": "minor"}, (100050, 30)),
    ],
)
def test_amounts_as_people_write_them(
    tmp_path: Path, cells: str, change: dict[str, Any], says: tuple[int, int]
) -> None:
    columns = {"date": "d", "type": "t", "charge": "p", "amount": "a", "fee": "f", "currency": "c"}
    path = written(tmp_path, f"01.03.2027;capture;psp_1;{cells};EUR\n", head="d;t;p;a;f;c\n")
    [row] = read(path, Format(columns=columns, date_format="%d.%m.%Y", **change))
    assert (row[5], row[8]) == says
    assert row[-1].isoformat() == "2027-03-01T00:00:00+00:00"


def test_signs_that_follow_from_the_kind(tmp_path: Path) -> None:
    refund = LINE.replace("Payment", "refund").replace("0.30,9.70", "0.00,-10.00")
    [row] = read(written(tmp_path, refund), Format(PLAIN.columns, PLAIN.kinds, signs="by_kind"))
    assert (row[5], row[9]) == (-1000, -1000)


def test_a_fee_that_is_written_as_what_it_takes_away(tmp_path: Path) -> None:
    [row] = read(written(tmp_path, LINE.replace("0.30", "-0.30")), PLAIN)
    assert (row[8], row[9]) == (30, 970)


def test_what_is_to_be_ignored_is_left_out(tmp_path: Path) -> None:
    assert list(read(written(tmp_path, LINE.replace("Payment", "Reserve", 1)), PLAIN)) == []


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        (LINE.replace("Payment", "Chargeback", 1), "kind.Chargeback: line 2, column 'Type'"),
        (LINE.replace("10.00", "10.001"), "line 2, column 'Gross': 10.001 eur has more decimals"),
        (LINE.replace("10.00", "ten"), "line 2, column 'Gross'"),
        (LINE.replace("10.00", ""), "line 2, column 'Gross'"),
        (LINE.replace("0.30", "some"), "line 2, column 'Fee'"),
        (LINE.replace("2027-03-01T10:00:00Z", "yesterday"), "line 2, column 'Created': 'yesterday' is no date"),
        (LINE.replace("EUR", "EURO"), "line 2, column 'Currency'"),
        (LINE.replace("9.70", "9.50"), "line 2: net is not what is settled less the fee"),
        ("r1,2027-03-01\n", "line 2 has 2 cells"),
        (LINE.replace("r1", '"r1'), "line 2"),
    ],
)
async def test_a_wrong_line_is_named_and_nothing_is_taken(rows: World, tmp_path: Path, line: str, wrong: str) -> None:
    with pytest.raises(FieldError, match=wrong):
        await take(rows, written(tmp_path, line))
    assert await stored() == []
    assert await sql.value("select count(*) from tollbridge.settlement_file") == 0


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        ({"columns": {"date": "Created"}}, "map.type"),
        ({"columns": {**PLAIN.columns, "colour": "x"}}, "map.colour"),
        ({"kinds": {"Payment": "sale"}}, "kind.Payment"),
        ({"columns": {**PLAIN.columns, "fee": "Fees"}}, "map.fee: the file has no column 'Fees'"),
    ],
)
async def test_a_map_that_cannot_be(rows: World, tmp_path: Path, change: dict[str, Any], wrong: str) -> None:
    fields = {"columns": PLAIN.columns, "kinds": PLAIN.kinds} | change
    with pytest.raises(FieldError, match=wrong):
        await take(rows, written(tmp_path, LINE), Format(**fields))


async def test_a_file_that_was_read_wrongly_is_taken_back(rows: World, tmp_path: Path) -> None:
    taken = await take(rows, written(tmp_path, LINE))
    await sql.rows("update tollbridge.settlement_file set taken_at = taken_at - interval '1 day'")
    with pytest.raises(FieldError, match="the journal of that day would change"):
        await forget(Author("test", "wrong map"), rows.account, taken.id)
    with pytest.raises(NotThereError):
        await forget(Author("test", "wrong map"), "acc_other", taken.id, anyway=True)
    assert await forget(Author("test", "wrong map"), rows.account, taken.id, anyway=True) == 1
    assert await stored() == []
    assert not (await take(rows, written(tmp_path, LINE))).again, "it can be given again"
    logged = await sql.value("select reason from tollbridge.audit_log where action = 'settlement_file.forgotten'")
    assert logged == "wrong map"


def test_ids_that_no_index_holds_and_letters_that_no_column_does(tmp_path: Path) -> None:
    with pytest.raises(FieldError, match="line 2, column 'Payment': an id has more than 255"):
        list(read(written(tmp_path, LINE.replace("psp_1", "p" * 300)), PLAIN))
    with pytest.raises(FieldError, match="line 2 holds the character NUL"):
        list(read(written(tmp_path, LINE.replace("psp_1", "p\0")), PLAIN))
    with pytest.raises(FieldError, match="line 2 is longer than"):
        list(read(written(tmp_path, LINE.replace("psp_1", "p" * (1 << 20))), PLAIN))


async def test_a_file_that_two_give_at_once_is_taken_in_once(rows: World, tmp_path: Path) -> None:
    path = written(tmp_path, LINE)
    given = await asyncio.gather(*(take(rows, path) for _ in range(4)))
    assert len({one.id for one in given}) == 1
    assert sum(not one.again for one in given) == 1
    assert len(await stored()) == 1


COMMA = {"decimal_comma": True}


@pytest.mark.parametrize(
    ("text", "change"),
    [
        ("42,00", {}),  # with decimals after a point, this is no 4200
        ("1,23,456.00", {}),
        ("1234,567.00", {}),
        (",500", {}),
        ("1,000,", {}),
        ("42.00", COMMA),
        ("1.00,50", COMMA),
        ("1,000.50", COMMA),
        ("1.000,500.00", COMMA),
    ],
)
def test_what_does_not_group_thousands_refuses_the_line(tmp_path: Path, text: str, change: dict[str, Any]) -> None:
    columns = {"date": "d", "type": "t", "charge": "p", "amount": "a", "currency": "c"}
    path = written(tmp_path, f"2027-03-01;capture;psp_1;{text};EUR\n", head="d;t;p;a;c\n")
    decimals = "comma" if change else "point"
    with pytest.raises(FieldError, match=f"line 2, column 'a': {text!r} is no amount .* after a {decimals}"):
        list(read(path, Format(columns=columns, delimiter=";", **change)))


@pytest.mark.parametrize(
    ("text", "change", "says"),
    [
        ("1,234", {}, 123400),
        ("-1,234,567.8", {}, -123456780),
        ("1234.50", {}, 123450),
        ("1.234", COMMA, 123400),
        ("-1.234.567,8", COMMA, -123456780),
        ("1234,50", COMMA, 123450),
    ],
)
def test_groups_of_three_are_thousands(tmp_path: Path, text: str, change: dict[str, Any], says: int) -> None:
    columns = {"date": "d", "type": "t", "charge": "p", "amount": "a", "currency": "c"}
    path = written(tmp_path, f"2027-03-01;capture;psp_1;{text};EUR\n", head="d;t;p;a;c\n")
    [row] = read(path, Format(columns=columns, delimiter=";", **change))
    assert row[5] == says


async def test_a_file_is_looked_at_before_it_is_taken_in(rows: World, tmp_path: Path) -> None:
    lines = [
        LINE,
        LINE.replace("r1", "r2").replace("10.00,EUR,0.30,9.70", "5.00,EUR,0.10,4.90"),
        LINE.replace("r1", "r3").replace("10.00,EUR,0.30,9.70", "7.00,USD,0.00,7.00"),
        "r4,2027-03-04T00:00:00Z,payout,,-14.60,EUR,0.00,-14.60\n",
        LINE.replace("Payment", "Reserve", 1),
    ]
    path = written(tmp_path, *lines)
    found = await look(rows.account, rows.connection, path, PLAIN)
    assert (found.rows, found.known) == (4, False)
    assert (str(found.first)[:10], str(found.until)[:10]) == ("2027-03-01", "2027-03-04")
    assert found.totals == [
        Total("capture", "eur", "eur", 2, 1500, 40, 1460),
        Total("capture", "usd", "usd", 1, 700, 0, 700),
        Total("payout", "eur", "eur", 1, -1460, 0, -1460),
    ]
    assert await stored() == []
    await take(rows, path)
    assert (await look(rows.account, rows.connection, path, PLAIN)).known
    [file] = (await find_settlements(rows.account)).data
    assert (file.totals, file.net) == (found.totals, {"eur": 1460, "usd": 700})


async def test_a_file_has_another_mark_once_it_is_read_otherwise(rows: World, tmp_path: Path) -> None:
    path = written(tmp_path, LINE)
    mark = await mark_of(rows.connection, path, PLAIN)
    assert mark == await mark_of(rows.connection, path, PLAIN)
    assert mark != await mark_of("con_other", path, PLAIN)
    assert mark != await mark_of(rows.connection, path, Format(PLAIN.columns, PLAIN.kinds, signs="by_kind"))
    assert mark != await mark_of(rows.connection, written(tmp_path, LINE, LINE.replace("r1", "r2")), PLAIN)


async def test_who_took_a_file_in_stands_in_the_audit_log(rows: World, tmp_path: Path) -> None:
    taken = await take(rows, written(tmp_path, LINE))
    await take(rows, written(tmp_path, LINE))
    [row] = await sql.rows(
        "select actor, object, after::jsonb ->> 'rows' as rows, after::jsonb ->> 'name' as name"
        " from tollbridge.audit_log where action = 'settlement_file.taken'"
    )
    assert tuple(row) == ("test", taken.id, "1", "settlement.csv")
