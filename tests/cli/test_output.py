"""What people see in a terminal: a table where it fits, else a row as lines, so that no id is folded."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from gateway.cli import output

ID = "cas_01m81jknznezqb04vmcvbxnkcy"
COLUMNS, ROW = ("case", "reason", "what to do", "closed"), (ID, "no answer [x]", "Look the reference up " * 4, None)


def printed(monkeypatch: pytest.MonkeyPatch, width: int) -> list[str]:
    told = io.StringIO()
    monkeypatch.setattr(output, "OUT", Console(file=told, width=width, highlight=False))
    output.table(COLUMNS, [ROW, ROW], "No cases.")
    return told.getvalue().splitlines()


def test_where_there_is_room_a_row_is_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    head, first, second = printed(monkeypatch, 200)
    assert head.split()[:2] == ["case", "reason"]
    assert first == second
    assert ID in first
    assert "no answer [x]" in first, "no markup of rich's"


def test_where_there_is_none_no_id_is_folded(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = printed(monkeypatch, 80)
    assert lines[0] == f"case        {ID}"
    assert [line for line in lines if line.startswith("reason")] == ["reason      no answer [x]"] * 2
    assert not any(line.startswith("closed") for line in lines), "what is empty is left out"
