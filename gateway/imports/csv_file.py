"""The file: a header and a line for each token. What is wrong with a line is said without its values."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from gateway.accounts.errors import FieldError
from gateway.customers.taking_over import is_card_number, shown_card
from gateway.imports.rows import Refused, Row
from processors.money import Money
from processors.values import Card, PaymentMethodReference, Secret

REQUIRED: Final = ("customer", "token")
COLUMNS: Final = (
    *REQUIRED,
    "connection",
    "subscription",
    "processor_customer",
    "initial_payment",
    "brand",
    "last4",
    "exp_month",
    "exp_year",
    "charge_limit",
    "position",
)
# They become part of an address at Stripe, and are shown: a token in the wrong column must do neither.
CUSTOMER: Final = re.compile(r"cus_[A-Za-z0-9_-]{1,250}")
SUBSCRIPTION: Final = re.compile(r"sub_[A-Za-z0-9_-]{1,250}")
LIMIT: Final = re.compile(r"([1-9][0-9]{0,11}) ([a-z]{3})")
LAST4: Final = re.compile(r"[0-9]{4}")
LONGEST_TOKEN: Final = 1000
LONGEST_BRAND: Final = 40
NUMBERS: Final = {"exp_month": range(1, 13), "exp_year": range(2000, 2201), "position": range(1, 1001)}


def read_file(path: Path, connection: str) -> list[Row | Refused]:
    """The rows of a file in UTF-8; `connection` is that of lines which name none. Raises FieldError."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return list(_rows(csv.DictReader(file, strict=True), connection))
    except UnicodeDecodeError:
        raise FieldError(path.name, "is not in UTF-8") from None
    except csv.Error as error:
        raise FieldError(path.name, f"is no CSV: {error}") from None


def _rows(reader: csv.DictReader[str], connection: str) -> Iterator[Row | Refused]:
    _check(reader.fieldnames or ())
    for cells in reader:
        # More cells than columns stand under None, missing ones are None.
        if None in cells or None in cells.values():
            yield Refused(reader.line_num, "has more or fewer cells than the first line")
            continue
        yield _row(reader.line_num, {name: cell.strip() for name, cell in cells.items()}, connection)


def _check(header: Sequence[str]) -> None:
    """Raises FieldError. Names are quoted only of what is a header: without one, a token may stand there."""
    if not set(REQUIRED) <= set(header):
        raise FieldError(
            "the first line", f"must name the columns, separated by commas, with {' and '.join(REQUIRED)} among them"
        )
    if unknown := sorted(set(header) - set(COLUMNS)):
        raise FieldError("the first line", f"unknown: {', '.join(unknown)}; there are {', '.join(COLUMNS)}")
    if len(set(header)) < len(header):
        raise FieldError("the first line", "names a column twice")


def _row(line: int, cells: Mapping[str, str], connection: str) -> Row | Refused:
    token, subscription = cells["token"], cells.get("subscription", "")
    named = cells.get("connection", "") or connection
    numbers = {name: _number(cells.get(name, ""), allowed) for name, allowed in NUMBERS.items()}
    wrong = {
        "customer is no id of a customer (cus_…)": not CUSTOMER.fullmatch(cells["customer"]),
        "subscription is no id of a subscription (sub_…)": bool(subscription)
        and not SUBSCRIPTION.fullmatch(subscription),
        "no connection is named": not named,
        "token is missing": not token,
        "token is a card's number; only the processor's token for it may come here": is_card_number(token),
        "token is too long": len(token) > LONGEST_TOKEN,
        "last4 is not the last four digits": not LAST4.fullmatch(cells.get("last4", "") or "0000"),
        "charge_limit is no amount in minor units with its currency (5000 eur)": bool(cells.get("charge_limit"))
        and not LIMIT.fullmatch(cells["charge_limit"]),
        "brand is too long": len(cells.get("brand", "")) > LONGEST_BRAND,
        **{
            f"{name} must be a number from {NUMBERS[name][0]} to {NUMBERS[name][-1]}": number is None
            for name, number in numbers.items()
            if cells.get(name)
        },
    }
    if reasons := [reason for reason, holds in wrong.items() if holds]:
        return Refused(line, "; ".join(reasons))
    others = (Secret(cell) if (cell := cells.get(name)) else None for name in ("processor_customer", "initial_payment"))
    reference = PaymentMethodReference(Secret(token), *others)
    return Row(line, cells["customer"], named, reference, _card(cells, numbers), subscription, numbers["position"])


def _card(cells: Mapping[str, str], numbers: Mapping[str, int | None]) -> Card:
    shown = cells.get("brand", ""), cells.get("last4", "")
    limit = LIMIT.fullmatch(cells.get("charge_limit", ""))
    agreed = Money(int(limit[1]), limit[2]) if limit else None
    return shown_card(*shown, numbers["exp_month"], numbers["exp_year"], agreed)


def _number(cell: str, allowed: range) -> int | None:
    return int(cell) if cell.isascii() and cell.isdigit() and len(cell) < 5 and int(cell) in allowed else None
