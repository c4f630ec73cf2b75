"""Disputes: the list, and one with what is at stake. They are answered at the processor."""

from __future__ import annotations

from typing import Annotated, Any, Final

from litestar.di import NamedDependency
from litestar.params import FromPath, QueryParameter
from litestar.response import Redirect, Template

from db.states import DISPUTE_LIVING, DisputeState
from gateway.accounts.accounts import policy_of
from gateway.api.paging import After
from gateway.clock import business_now
from gateway.console.desk import Desk, change, page
from gateway.console.errors import RIGHT, Wrong, wrong_of
from gateway.console.forms import NOTHING_TYPED, ON_A_PAGE, Posted, Reasoned, Said, chosen
from gateway.console.render import led, shown
from gateway.domain.dispute_words import MEANING, meanwhile, reason_words
from gateway.domain.roles import Action
from gateway.readers.cases import open_about
from gateway.readers.dashboard import dashboard_of
from gateway.readers.disputes import find_dispute, find_disputes
from gateway.readers.invoice_names import id_of, invoice_briefs
from gateway.readers.refunds import of_invoice
from gateway.returns.retrying import can_retry_dispute, retry_dispute

InState = Annotated[str, QueryParameter(name="state", max_length=40)]
OfInvoice = Annotated[str, QueryParameter(name="invoice", max_length=255)]


@page("/disputes")
async def disputes(
    desk: NamedDependency[Desk], in_state: InState = "", invoice: OfInvoice = "", starting_after: After = ""
) -> Template:
    """The account's disputes, the newest first."""
    of = await id_of(desk.account, invoice) or invoice.strip()
    state = chosen(DisputeState, in_state, "state")
    found = await find_disputes(desk.account, state, invoice=of, limit=ON_A_PAGE, starting_after=starting_after)
    context = {
        "found": found,
        "briefs": await invoice_briefs(desk.account, [one.invoice for one in found.data]),
        "state": state,
        "states": MEANING,
        "invoice": invoice,
        "reason": reason_words,
        "now": int((await business_now()).timestamp()),
        "open": DISPUTE_LIVING,
    }
    return shown(desk, "disputes.html", context)


@page("/disputes/{dispute_id:str}")
async def dispute(desk: NamedDependency[Desk], dispute_id: FromPath[str], said: Said = "") -> Template:
    """One dispute: why, what is at stake, by when it is answered, and what happens meanwhile."""
    return await _shown(desk, dispute_id, said=said)


@change("/disputes/{dispute_id:str}/retry", Action.REFUND)
async def retry(desk: NamedDependency[Desk], dispute_id: FromPath[str], data: Posted[Reasoned]) -> Redirect | Template:
    """Try again the credit note of a lost one, which Stripe has refused."""
    try:
        await retry_dispute(desk.author(data.reason.strip()), desk.account, dispute_id)
    except Exception as error:
        return await _shown(desk, dispute_id, wrong=wrong_of(error), typed=data)
    return led(f"{desk.path}/disputes/{dispute_id}", "dispute_retried")


async def _shown(
    desk: Desk,
    dispute_id: str,
    *,
    said: str = "",
    wrong: Wrong = RIGHT,
    typed: Reasoned = NOTHING_TYPED,
) -> Template:
    """Raises NotThereError."""
    body = await find_dispute(desk.account, dispute_id)
    policy = await policy_of(desk.account)
    invoice, refunds = meanwhile(body.state, body.withdrawn, body.amount, policy.refund_in_dispute)
    context = {
        "dispute": body,
        "means": MEANING[body.state],
        "reason": reason_words(body.reason),
        "invoice_meanwhile": invoice,
        "refunds_meanwhile": refunds,
        "refunds": await of_invoice(desk.account, body.invoice),
        "brief": (await invoice_briefs(desk.account, [body.invoice]))[body.invoice],
        "dashboard": await dashboard_of(desk.account),
        "cases": await open_about(desk.account, dispute_id),
        "retries": await can_retry_dispute(desk.account, dispute_id),
        "now": int((await business_now()).timestamp()),
        "is_open": body.state in DISPUTE_LIVING,
        "said": said,
        "wrong": wrong,
        "typed": typed,
    }
    return shown(desk, "dispute.html", context, status=wrong.status)


dispute_routes: Final[list[Any]] = [disputes, dispute, retry]
