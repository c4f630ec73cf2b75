"""One case as a page: what it is about, what can be done, what was written and done."""

from __future__ import annotations

from typing import Final

from litestar.response import Template

from db.states import RefundState
from gateway.console.case_links import acted_on
from gateway.console.check_findings import lines_of
from gateway.console.desk import Desk
from gateway.console.errors import RIGHT, Wrong
from gateway.console.forms import NOTHING_TYPED, Form
from gateway.console.render import shown
from gateway.domain.audit_words import on_case
from gateway.domain.case_repairs import OFFERS, CaseRepair, repairs_of, said_here
from gateway.domain.roles import LEAST, Action
from gateway.inbox.connection_check import ConnectionCheck
from gateway.readers.actors import names_of
from gateway.readers.cases import CaseBody, find_case, find_notes
from gateway.readers.history import history_of
from gateway.readers.invoice_names import invoice_briefs
from gateway.readers.object_names import object_names
from gateway.readers.refunds import RefundBody, find_refunds
from gateway.users import users
from processors.outcome import DeclineClass

NOTES: Final = 100
"""As many as a page shows; the API has the others."""


async def case_page(
    desk: Desk,
    case_id: str,
    *,
    said: str = "",
    wrong: Wrong = RIGHT,
    form: str = "",
    typed: Form = NOTHING_TYPED,
    checked: ConnectionCheck | None = None,
) -> Template:
    """The page, also with a form of it that could not be carried out: `typed` is what stood in it.

    Raises NotThereError.
    """
    case = await find_case(desk.account, case_id)
    is_open = case.closed is None
    notes = await find_notes(desk.account, case_id, limit=NOTES)
    repairs = repairs_of(case.kind, case.subject) if is_open else []
    context = {
        "case": case,
        "to_do": said_here(case.kind, case.action),
        "is_open": is_open,
        "mine": case.owner == desk.session.email,
        "staff": await users.who_may(desk.account, Action.HANDLE_CASES) if is_open else [],
        "notes": notes,
        "names": await names_of(desk.account, [*(one.author for one in notes.data), case.closed_by or ""]),
        "history": [
            (one, on_case(one.action, one.after, one.email)) for one in await history_of(desk.account, case_id)
        ],
        "repairs": [(one, OFFERS[one]) for one in repairs],
        "refunds": await _candidates(desk.account, case) if CaseRepair.RESOLVE_NOTE in repairs else [],
        "classes": list(DeclineClass),
        "LEAST": LEAST,
        "invoice": (await invoice_briefs(desk.account, [case.invoice])).get(case.invoice or ""),
        "called": await object_names(desk.account, [case.subject]),
        "elsewhere": await acted_on(desk.account, case.kind, case.subject, case.invoice) if is_open else [],
        "form": form,
        "typed": typed,
        "checked": checked,
        "found": lines_of(checked),
        "said": said,
        "wrong": wrong,
    }
    return shown(desk, "case.html", context, status=wrong.status)


async def _candidates(account: str, case: CaseBody) -> list[RefundBody]:
    """Refunds that the credit note of a case may belong to."""
    found = await find_refunds(account, invoice=case.invoice or "-", limit=100)
    over = (RefundState.FAILED, RefundState.REFUSED)
    return [one for one in found.data if one.credit_note is None and one.state not in over]
