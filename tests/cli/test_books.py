"""Comparing the books, and exporting them, from the command line."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path

import pytest

from db.states import BreakKind, Repair
from tests.api.seed import add_invoice
from tests.cli.conftest import Tollbridge
from tests.cli.test_commands import OPTIONS, PRACTICE, STRIPE, add_account

FILE = "Date,What,Payment,Gross,Curr\n2027-03-01,Sale,psp_1,10.00,EUR\n2027-03-02,Sale,psp_2,5.00,EUR\n"
MAP = (
    "--map",
    "date=Date,type=What",
    "--map",
    "processor_id=Payment,amount=Gross,currency=Curr",
    "--kind",
    "Sale=capture",
)


async def _with_connection(tollbridge: Tollbridge) -> str:
    account = await add_account(tollbridge)
    added = await tollbridge("connections", "add", "practice", "--adapter", "practice", *PRACTICE, *OPTIONS, **STRIPE)
    assert added.code == 0, added.err
    return account


async def test_a_file_is_taken_in_compared_and_reported(tollbridge: Tollbridge, tmp_path: Path) -> None:
    await _with_connection(tollbridge)
    path, target = tmp_path / "march.csv", tmp_path / "breaks.csv"
    path.write_text(FILE)
    ran = await tollbridge("reconcile", "--file", str(path), "--connection", "practice", *MAP, "--csv", str(target))
    assert ran.code == 1, "something differs"
    assert "2 rows, 2 of them new" in ran.out
    assert "2 missing_in_ledger" in ran.out
    assert "" not in ran.err.splitlines(), "no progress bar, and none of its blank lines, where nobody looks on"
    assert "UTC UTC" not in ran.out
    assert len(target.read_text().splitlines()) == 3
    again = await tollbridge("reconcile", "--file", str(path), "--connection", "practice")
    assert "is here already" in again.out
    listed = (await tollbridge("reconcile", "breaks", "--json")).json["data"]
    assert {one["processor_id"] for one in listed} == {"psp_1", "psp_2"}
    runs = (await tollbridge("reconcile", "list", "--json")).json["data"]
    assert [(one["number"], one["new"]) for one in runs] == [(2, 0), (1, 2)]
    assert (await tollbridge("reconcile", "report", "--run", "1")).out == target.read_bytes().decode()
    mended = await tollbridge("reconcile", "repair", listed[0]["id"])
    assert (mended.code, mended.out) == (0, "ask_human: a case was opened\n")
    assert "break_to_explain" in (await tollbridge("cases", "list")).out


@pytest.mark.parametrize(("command", "words"), [("breaks", BreakKind), ("repair", Repair)])
async def test_the_help_says_what_each_word_means(tollbridge: Tollbridge, command: str, words: type[StrEnum]) -> None:
    told = (await tollbridge("reconcile", command, "--help")).out
    assert [word for word in words if f"  {word} " not in told] == []


async def test_books_that_agree(tollbridge: Tollbridge) -> None:
    account = await _with_connection(tollbridge)
    await add_invoice(account, "in_1", state="due", status="open", customer="cus_1")
    ran = await tollbridge("reconcile", "--whole")
    assert (ran.code, "nothing differs" in ran.out) == (0, True), ran.err
    assert (await tollbridge("reconcile", "breaks")).out == "Nothing differs.\n"


async def test_a_file_that_cannot_be_taken_in(tollbridge: Tollbridge, tmp_path: Path) -> None:
    await _with_connection(tollbridge)
    path = tmp_path / "march.csv"
    path.write_text(FILE)
    nobodys = await tollbridge("reconcile", "--file", str(path))
    assert (nobodys.code, "--connection" in nobodys.err) == (2, True)
    unmapped = await tollbridge("reconcile", "--file", str(path), "--connection", "practice")
    assert (unmapped.code, "no format yet" in unmapped.err) == (2, True)
    missing = await tollbridge("reconcile", "--file", str(tmp_path / "none"), "--connection", "practice", *MAP)
    assert (missing.code, "can't read" in missing.err) == (2, True)
    unmapped_too = await tollbridge("reconcile", "--file", str(tmp_path / "none"), "--connection", "practice")
    assert (unmapped_too.code, "no such file" in unmapped_too.err) == (2, True)


async def test_a_file_is_taken_back_and_given_again(tollbridge: Tollbridge, tmp_path: Path) -> None:
    await _with_connection(tollbridge)
    path = tmp_path / "march.csv"
    path.write_text(FILE)
    taking = ("reconcile", "--file", str(path), "--connection", "practice")
    await tollbridge(*taking, *MAP)
    kept = (await tollbridge("reconcile", "format", "practice", "--json")).json
    assert (kept["columns"]["amount"], kept["kinds"]) == ("Gross", {"Sale": "capture"})
    [file] = (await tollbridge("reconcile", "files", "--json")).json["data"]
    assert (file["name"], file["rows"], file["connection"]) == ("march.csv", 2, "practice")
    assert "15.00 EUR" in (await tollbridge("reconcile", "files")).out
    assert (await tollbridge("reconcile", "forget", file["id"], "--reason", "wrong map")).code == 0
    assert (await tollbridge("reconcile", "files")).out == "No files yet.\n"
    again = await tollbridge(*taking, "--kind", "Sale=refund", "--signs", "by_kind")
    assert "2 rows, 2 of them new" in again.out
    listed = (await tollbridge("reconcile", "breaks", "--json")).json["data"]
    assert sorted(one["other_amount"] for one in listed) == [-1000, -500]


async def test_the_journal_is_printed(tollbridge: Tollbridge) -> None:
    await _with_connection(tollbridge)
    told = await tollbridge("export", "journal", "--from", "2027-03-01", "--to", "2027-03-31")
    assert (told.code, told.out.splitlines()) == (
        0,
        ["date,transaction,kind,account,debit,credit,currency,invoice,connection,processor_id,occurred,invoice_number"],
    )
    beancount = await tollbridge("export", "journal", "--format", "beancount")
    assert beancount.out.startswith("plugin ")
    backwards = await tollbridge("export", "journal", "--from", "2027-03-02", "--to", "2027-03-01")
    assert backwards.code == 2
