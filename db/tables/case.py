"""Cases: what a human must look at."""

from __future__ import annotations

from piccolo.columns import Text
from piccolo.table import Table

from db.engine import DB
from db.tables.columns import SCHEMA, at


class ReviewCase(Table, tablename="review_case", schema=SCHEMA, db=DB):
    id = Text(primary_key=True)
    account = Text()
    kind = Text()
    subject = Text()
    invoice = Text()
    reason = Text()
    action = Text()
    owner = Text()
    state = Text()
    opened_at = at()
    closed_at = at()
    closed_by = Text()
    closed_reason = Text()


class CaseNote(Table, tablename="case_note", schema=SCHEMA, db=DB):
    id = Text(primary_key=True)
    account = Text()
    review_case = Text()
    author = Text()
    text = Text()
    written_at = at()
