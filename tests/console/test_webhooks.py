"""The pages of what Stripe and processors told us."""

from __future__ import annotations

from db import sql
from db.ids import new_id
from db.states import ECHO
from gateway.domain.roles import Role
from tests.api.seed import NOW, add_delivery, insert
from tests.console.conftest import Console
from tests.support.staff import text_of

SAID = b'{"id":"evt_1","type":"invoice.paid","data":{"object":{"id":"in_1","status":"paid","customer_name":"Ada"}}}'


async def _delivery(console: Console, account: str = "", body: bytes = SAID) -> str:
    made = new_id("dlv")
    sealed = console.api.runtime.keyring.encrypt(body, table="delivery", column="body", row=made)
    about = {"source": "stripe", "kind": "invoice.paid", "object_id": "in_1", "body": sealed, "state": "ignored"}
    ended = {"reason": ECHO, "received_at": NOW, "finished_at": NOW}
    await insert("delivery", id=made, account=account or console.api.ours.id, **about, **ended)
    return made


async def test_a_webhook_says_what_came_of_it_and_why(console: Console) -> None:
    delivery = await _delivery(console)
    shown = text_of(await console[Role.VIEWER].get(f"/webhooks/{delivery}"))
    for part in ("invoice.paid", "From Stripe", "There was nothing to do.", f"Why {ECHO}", "1 Mar 2027, 12:00 UTC"):
        assert part in shown
    assert "What it said" not in shown


async def test_what_it_said_is_shown_without_persons_and_that_somebody_looked_is_noted(console: Console) -> None:
    delivery = await _delivery(console)
    page = await console[Role.SUPPORT].post(f"/webhooks/{delivery}/body")
    assert '"status": "paid"' in text_of(page)
    assert '"customer_name": "[removed]"' in text_of(page)
    assert "Ada" not in page.text
    noted = await sql.row("select actor, object from tollbridge.audit_log where action = 'delivery.seen'")
    assert noted is not None
    assert tuple(noted) == (console[Role.SUPPORT].user, delivery)


async def test_a_viewer_does_not_see_what_it_said(console: Console) -> None:
    delivery = await _delivery(console)
    assert (await console[Role.VIEWER].post(f"/webhooks/{delivery}/body")).status_code == 403
    assert not await sql.rows("select 1 from tollbridge.audit_log where action = 'delivery.seen'")


async def test_a_body_that_was_erased_or_whose_key_is_gone_says_so(console: Console) -> None:
    erased = await add_delivery(console.api.ours.id, body=b"")
    locked = await add_delivery(console.api.ours.id, body=b"sealed by another key")
    assert "was erased with its customer" in text_of(await console[Role.SUPPORT].post(f"/webhooks/{erased}/body"))
    assert "its key is no longer" in text_of(await console[Role.SUPPORT].post(f"/webhooks/{locked}/body"))


async def test_webhooks_are_found_by_source_state_type_and_object(console: Console) -> None:
    delivery = await _delivery(console)
    for asked, is_found in [
        ("source=stripe&state=ignored&type=invoice.paid&object=in_1", True),
        ("source=practice", False),
        ("state=parked", False),
        ("type=invoice.created", False),
        ("object=in_2", False),
    ]:
        assert (delivery in (await console[Role.VIEWER].get(f"/webhooks?{asked}")).text) is is_found, asked


async def test_refused_deliveries_of_the_last_hour_are_told(console: Console) -> None:
    for account, refused in ((console.api.ours.id, 7), (console.api.theirs.id, 99)):
        await sql.rows(
            "insert into tollbridge.refused_delivery values ($1, 'stripe', clock_timestamp(), 'signature_wrong', $2)",
            account,
            refused,
        )
    shown = text_of(await console[Role.VIEWER].get("/webhooks"))
    assert "7 from Stripe refused in the last hour" in shown
    assert "the signature did not hold" in shown
    assert "99" not in shown


async def test_an_admin_has_one_looked_at_again(console: Console) -> None:
    delivery = await _delivery(console)
    state = "select state from tollbridge.delivery"
    assert (await console[Role.FINANCE].post(f"/webhooks/{delivery}/replay")).status_code == 403
    assert await sql.value(state) == "ignored"
    assert (await console[Role.ADMIN].post(f"/webhooks/{delivery}/replay")).status_code == 303
    assert await sql.value(state) == "stored"


async def test_another_site_has_nobody_look_at_a_webhook(console: Console) -> None:
    """A link from elsewhere carries the cookie (Lax), and that somebody looked stands in the log for ever."""
    path, person = f"/webhooks/{await _delivery(console)}/body", console[Role.FINANCE]
    linked = await person.get(path, **{"sec-fetch-site": "cross-site"})
    posted = await person.post(path, **{"sec-fetch-site": "cross-site"})
    assert (linked.status_code, posted.status_code) == (405, 403)
    assert await sql.rows("select 1 from tollbridge.audit_log where action = 'delivery.seen'") == []
