"""The README's table of events is the code's."""

from __future__ import annotations

from pathlib import Path

import msgspec

from gateway.domain.news_types import DESCRIBED, InvoiceNews, NewsType

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")


def fields(data: type[msgspec.Struct]) -> list[str]:
    """All but the object and its id, which stand in each."""
    return [f"`{field.name}`" for field in msgspec.structs.fields(data) if field.name not in ("object", "id")]


OF_INVOICES = fields(InvoiceNews)


def row(kind: NewsType) -> str:
    """As the table shows it."""
    told = DESCRIBED[kind]
    shown = fields(told.data)
    if issubclass(told.data, InvoiceNews):
        shown = ["*invoice*", *(field for field in shown if field not in OF_INVOICES)]
    return f"| `{kind.removeprefix('tollbridge.')}` | {told.when} | {told.step} | {', '.join(shown)} |"


def test_every_type_stands_in_the_table_as_it_is() -> None:
    assert list(DESCRIBED) == list(NewsType)
    table = README.partition("## Events")[2].partition("## ")[0]
    rows = [line for line in table.splitlines() if line.startswith("| `")]
    assert rows == [row(kind) for kind in NewsType]
    assert f"*invoice*: {', '.join(OF_INVOICES)}" in table
