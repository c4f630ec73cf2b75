"""A settlement file of the practice processor, and how it can be wrong, for the conformance kit."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Final

from processors.conformance.subject import REFERENCE, REFUND_REFERENCE, Says, Script, Settlements
from processors.money import Money
from processors.settlements import Settlement, SettlementKind, SettlementRow

CHARGE, REFUND = "pch_kit", "prf_kit"
COLUMNS: Final = "id,kind,object,charge,reference,occurred_at,amount,currency,rate,settled,fee,net,settlement_currency"
ROWS: Final = (
    f"pse_1,capture,{CHARGE},{CHARGE},{REFERENCE},2027-03-01T12:00:00+00:00,1050,EUR,1,1050,30,1020,EUR",
    f"pse_2,refund,{REFUND},{CHARGE},{REFUND_REFERENCE},2027-03-01T13:00:00+00:00,-350,EUR,1,-350,0,-350,EUR",
    "pse_3,capture,pch_jpy,pch_jpy,in_jpy.1,2027-03-01T14:00:00+00:00,1050,JPY,1,1050,0,1050,JPY",
    "pse_4,capture,pch_kwd,pch_kwd,in_kwd.1,2027-03-01T15:00:00+00:00,1050,KWD,1,1050,5,1045,KWD",
    "pse_5,capture,pch_isk,pch_isk,in_isk.1,2027-03-01T16:00:00+00:00,5,ISK,0.0068,3,0,3,EUR",
    "ppo_eur,payout,,,,2027-03-01T16:00:00+00:00,-673,EUR,1,-673,0,-673,EUR",
    "ppo_jpy,payout,,,,2027-03-01T14:00:00+00:00,-1050,JPY,1,-1050,0,-1050,JPY",
    "ppo_kwd,payout,,,,2027-03-01T15:00:00+00:00,-1045,KWD,1,-1045,0,-1045,KWD",
)


def row(
    id_: str, kind: SettlementKind, hour: int, about: tuple[str, str, str], amount: Money, settled: Money, fee: int = 0
) -> SettlementRow:
    """One of them as it's read: amounts in Stripe's minor units, in which krona have two decimals."""
    paid, at = settled.currency, datetime(2027, 3, 1, hour, tzinfo=UTC)
    net = Money(settled.amount - fee, paid)
    return SettlementRow(id_, kind, amount, settled, Money(fee, paid), net, at, *about)


def capture(number: int, hour: int, amount: Money, settled: Money, fee: int = 0) -> SettlementRow:
    charge = f"pch_{amount.currency}"
    about = (charge, charge, f"in_{amount.currency}.1")
    return row(f"pse_{number}", SettlementKind.CAPTURE, hour, about, amount, settled, fee)


def payout(hour: int, paid: Money) -> SettlementRow:
    return row(f"ppo_{paid.currency}", SettlementKind.PAYOUT, hour, ("", "", ""), paid, paid)


EUR: Final = Money(1050, "eur")
BACK: Final = Money(-350, "eur")
READ: Final = Settlement(
    "pst_20270301",
    date(2027, 3, 1),
    (
        row("pse_1", SettlementKind.CAPTURE, 12, (CHARGE, CHARGE, REFERENCE), EUR, EUR, 30),
        row("pse_2", SettlementKind.REFUND, 13, (REFUND, CHARGE, REFUND_REFERENCE), BACK, BACK),
        capture(3, 14, Money(1050, "jpy"), Money(1050, "jpy")),
        capture(4, 15, Money(1050, "kwd"), Money(1050, "kwd"), 5),
        capture(5, 16, Money(500, "isk"), Money(3, "eur")),
        payout(16, Money(-673, "eur")),
        payout(14, Money(-1050, "jpy")),
        payout(15, Money(-1045, "kwd")),
    ),
)


def file(*rows: str, columns: str = COLUMNS, id_: str = READ.processor_id) -> Script:
    shown = {"object": "settlement", "id": id_, "day": "2027-03-01", "rows": len(rows), "payouts": []}
    content = "".join(f"{line}\r\n" for line in (columns, *rows)).encode()
    return Says(shown, on=f"^GET /v1/settlements/{READ.processor_id}\n"), Says(content, on=r"\.csv\n")


def changed(number: int, was: str, becomes: str) -> Script:
    """The file with one row changed."""
    return file(*(one.replace(was, becomes) if place == number else one for place, one in enumerate(ROWS)))


SETTLEMENTS: Final = Settlements(
    settlement=READ,
    listed=Says({"data": [{"object": "settlement", "id": READ.processor_id, "day": "2027-03-01"}], "has_more": False}),
    file=file(*ROWS),
    broken={
        "a row is missing": file(*ROWS[1:]),
        "a row that is not settled less fee": changed(0, "1050,30,1020", "1050,29,1020"),
        "a payout of another amount": changed(5, "-673,0,-673", "-672,0,-672"),
        "an amount that is no number": changed(2, "1050,JPY", "10.50,JPY"),
        "a row of an unknown kind": changed(1, "refund", "gift"),
        "a row of an unknown currency": changed(2, "JPY", "ZZZ"),
        "a time without its zone": changed(3, "+00:00", ""),
        "a column is missing": file(*ROWS, columns=COLUMNS.replace("fee,", "")),
    },
    another=file(*ROWS, id_="pst_20270302"),
    missing=Says({"error": {"code": "settlement_not_found", "message": "there is no such settlement"}}, 404),
)
