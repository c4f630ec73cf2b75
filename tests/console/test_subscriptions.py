"""Subscriptions: which are found, what is shown of one, and what its forms ask for."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from db import sql
from gateway.domain.roles import Role
from tests.api.seed import NOW, Seeded, insert, seed
from tests.console.conftest import Console
from tests.support.staff import text_of

SOON = datetime.now(UTC) + timedelta(days=7)


@pytest.fixture
async def seeded(console: Console) -> Seeded:
    made = await seed(console.api.runtime, console.api.ours.id)
    await sql.rows("update tollbridge.subscription set collection_method = 'send_invoice', access = 'granted'")
    return made


async def add(account: str, id: str, **values: object) -> None:
    """Another one, which Stripe collects."""
    what = {"customer": "cus_2", "status": "past_due", "collection_method": "charge_automatically", "created_at": NOW}
    await insert("subscription", account=account, id=id, **(what | values))


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("status=past_due", {"sub_2", "sub_3"}),
        ("collected_by=stripe", {"sub_2"}),
        ("collected_by=hosted", {"sub_3"}),
        ("access=granted", {"sub_0"}),
        ("product=prod_1", {"sub_2"}),
        ("product=price_1", {"sub_2"}),
        ("customer=cus_2", {"sub_2", "sub_3"}),
        ("ends_soon=true", {"sub_3"}),
        ("", {"sub_0", "sub_2", "sub_3"}),
    ],
)
async def test_the_list_is_narrowed(console: Console, seeded: Seeded, query: str, found: set[str]) -> None:
    await add(seeded.account, "sub_2", products=["prod_1"], prices=["price_1", "price_2"])
    sent = {"collection_method": "send_invoice", "collection": "hosted", "cancel_at": SOON}
    await add(seeded.account, "sub_3", products=["prod_2"], **sent)

    page = (await console[Role.VIEWER].get(f"/subscriptions?{query}")).text

    names = {"sub_0": seeded.subscription, "sub_2": "sub_2", "sub_3": "sub_3"}
    assert {short for short, id in names.items() if f"/subscriptions/{id}" in page} == found


async def test_a_page_of_the_list_keeps_its_filters(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.console.subscriptions.ON_A_PAGE", 1)
    for n in range(2):
        await add(console.api.ours.id, f"sub_{n}")
    page = await console[Role.VIEWER].get("/subscriptions?status=past_due&collected_by=stripe")
    address = page.text.split('rel="next" href="')[1].split('"')[0].replace("&amp;", "&")
    further = await console[Role.VIEWER].get(address)
    assert "/subscriptions/sub_0" in further.text
    assert "/subscriptions/sub_1" not in further.text


async def test_one_with_all_that_is_known(console: Console, seeded: Seeded) -> None:
    await sql.rows("update tollbridge.subscription set payment_method = $1 where id = $2", seeded.method,
                   seeded.subscription)  # fmt: skip
    page = await console[Role.VIEWER].get(f"/subscriptions/{seeded.subscription}")
    shown = text_of(page)
    assert "Charged first Visa ending in 4242, given for it" in shown
    assert "Collected by a processor, through us" in shown
    assert "granted" in shown
    assert f"{seeded.invoice} paid the beginning 11.90 EUR" in shown
    assert "promised" in shown, "a grant from before"
    assert "Grant access" not in shown, "a viewer changes nothing"
    assert f'hx-get="/console/a/ours/subscriptions/{seeded.subscription}/terms"' in page.text


async def test_another_accounts_grant_is_not_to_be_found_beside_ones_own_subscription(
    console: Console, seeded: Seeded
) -> None:
    strange = await seed(console.api.runtime, console.api.theirs.id)
    path = f"/subscriptions/{seeded.subscription}/grants/{strange.grant}/revoke"
    assert (await console[Role.ADMIN].post(path, {"reason": "none"})).status_code == 404


async def test_what_cancelling_means_is_said_before_it_is_asked_for(console: Console, seeded: Seeded) -> None:
    support, path = console[Role.SUPPORT], f"/subscriptions/{seeded.subscription}/cancel"
    assert (await console[Role.VIEWER].get(path)).status_code == 403
    assert "What happens" not in text_of(await support.get(path))

    shown = text_of(await support.get(f"{path}?ends=now&invoice_now=true"))

    assert "It ends at once, and access with it." in shown
    assert "What was used and not billed yet comes on a last invoice" in shown
    assert "The rest of the period that is paid is not given back." in shown
    assert "the payment methods (1) are deleted at their processors" in shown
    assert "Refund the last invoice" not in shown, "support gives no money back"
    assert f"/refunds/new?invoice={seeded.invoice}" in (await console[Role.FINANCE].get(f"{path}?ends=now")).text


async def test_a_cancellation_is_asked_for_and_followed_to_its_end(console: Console, seeded: Seeded) -> None:
    support, path = console[Role.SUPPORT], f"/subscriptions/{seeded.subscription}"
    asked = {"ends": "now", "invoice_now": "false", "prorate": "true", "reason": "Moves abroad."}
    assert (await console[Role.VIEWER].post(f"{path}/cancel", asked)).status_code == 403
    assert await sql.value("select count(*) from tollbridge.cancellation") == 0

    answer = await support.post(f"{path}/cancel", asked)

    page = await support.get(answer.headers["location"])
    assert "Stripe is told in a moment" in text_of(page)
    assert f'hx-get="/console/a/ours{path}/progress?looks=1" hx-trigger="load delay:2s"' in page.text
    row = await sql.row("select ends, invoice_now, prorate, comment from tollbridge.cancellation")
    assert tuple(row or ()) == ("now", False, True, "Moves abroad.")
    assert "hx-redirect" not in (await support.get(f"{path}/progress")).headers
    await sql.rows("update tollbridge.cancellation set state = 'refused', error = 'No.', resolved_at = $1", NOW)
    over = await support.get(f"{path}/progress")
    assert over.headers["hx-redirect"] == f"/console/a/ours{path}"
    assert "and can't be: No." in text_of(over)


async def test_one_that_has_ended_is_not_cancelled(console: Console, seeded: Seeded) -> None:
    await sql.rows("update tollbridge.subscription set ended_at = $1", NOW)
    path = f"/subscriptions/{seeded.subscription}/cancel"
    answer = await console[Role.SUPPORT].post(path, {"ends": "period_end", "reason": "Late."})
    assert answer.status_code == 409
    assert "The subscription has ended, which is final" in text_of(answer)


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("to=stripe", "Our payment methods are deleted at their processors once nothing else needs them."),
        ("to=stripe&stripe_payment_method=pm_1", "by itself, to pm_1."),
        ("to=gateway&payment_method={method}&retire=true", "We charge the invoices to come to Visa ending in 4242."),
        ("to=hosted&days_until_due=14", "due after 14 days; their payer pays them on Stripe's page."),
        ("to=hosted&days_until_due=x", "Days until an invoice is due: Must be a whole number"),
    ],
)
async def test_what_a_switch_needs_is_said(console: Console, seeded: Seeded, query: str, words: str) -> None:
    path = f"/subscriptions/{seeded.subscription}/switch?{query.format(method=seeded.method)}"
    assert words in text_of(await console[Role.SUPPORT].get(path))


async def test_what_was_chosen_for_a_switch_stays(console: Console, seeded: Seeded) -> None:
    path = f"/subscriptions/{seeded.subscription}/switch"
    chosen = {"to": "gateway", "payment_method": seeded.method, "retire": "true", "days_until_due": "soon"}
    looked = await console[Role.SUPPORT].get(f"{path}?{httpx.QueryParams(chosen)}")
    asked = await console[Role.SUPPORT].post(path, chosen | {"reason": "as agreed"})
    for refused in (looked, asked):
        assert refused.status_code == 400
        for shown in (
            'name="to" value="gateway" required checked',
            f'<option value="{seeded.method}" selected>',
            'name="retire" value="true" checked',
            'value="soon"',
        ):
            assert shown in refused.text


async def test_a_switch_is_asked_for(console: Console, seeded: Seeded) -> None:
    support, path = console[Role.SUPPORT], f"/subscriptions/{seeded.subscription}"
    asked = {"to": "gateway", "payment_method": seeded.method, "retire": "true", "days_until_due": "14", "reason": "x"}
    assert (await console[Role.VIEWER].post(f"{path}/switch", asked)).status_code == 403
    wrong = await support.post(f"{path}/switch", asked | {"payment_method": "pmt_none"})
    assert wrong.status_code == 400
    assert "Is no active payment method" in text_of(wrong)

    answer = await support.post(f"{path}/switch", asked)

    assert "It is being switched" in text_of(await support.get(answer.headers["location"]))
    row = await sql.row("select collector, payment_method, retire, days_until_due, state from tollbridge.switch")
    assert tuple(row or ()) == ("gateway", seeded.method, True, 14, "wanted")
    assert await sql.value("select reason from tollbridge.audit_log where action = 'subscription.switch'") == "x"


async def test_access_is_granted_by_hand_and_taken_back(console: Console, seeded: Seeded) -> None:
    support, path = console[Role.SUPPORT], f"/subscriptions/{seeded.subscription}"
    asked = {"until": "2100-03-31", "reason": "Pays by transfer."}
    assert (await console[Role.VIEWER].post(f"{path}/grants", asked)).status_code == 403
    assert 'name="after_end" value="true">' in (await support.get(path)).text
    for wrong in ({"until": "soon"}, {"until": ""}, {"until": "2000-01-01"}, {"reason": " "}):
        again = await support.post(f"{path}/grants", asked | wrong | {"after_end": "true"})
        assert again.status_code == 400, wrong
        assert 'name="until"' in again.text
        assert 'name="after_end" value="true" checked' in again.text

    answer = await support.post(f"{path}/grants", asked)

    assert "1 Apr 2100, 00:00 UTC stands Pays by transfer." in text_of(await support.get(answer.headers["location"]))
    grant = await sql.value("select id from tollbridge.access_grant where reason = 'Pays by transfer.'")
    await support.post(f"{path}/grants/{grant}/revoke", {"reason": "It did not come."})
    by = "select revoked_by from tollbridge.access_grant where id = $1"
    assert await sql.value(by, grant) == support.user


@pytest.mark.parametrize(("path", "query"), [("cancel", "ends=now"), ("switch", "to=hosted")])
async def test_what_changes_a_subscription_says_why(console: Console, seeded: Seeded, path: str, query: str) -> None:
    """Its field is marked as needed; a form without it is no less a change that nobody can explain."""
    support, at = console[Role.SUPPORT], f"/subscriptions/{seeded.subscription}/{path}"
    assert re.search(r'name="reason"[^>]* required', (await support.get(f"{at}?{query}")).text)
    for reason in (" ", "x" * 501):
        answer = await support.post(at, dict([query.split("=")]) | {"reason": reason})
        assert (answer.status_code, "must have" in text_of(answer).lower()) == (400, True)


@pytest.mark.parametrize("method", ["../customers/cus_1", "pm_1?expand[]=customer", "pm_" + "x" * 300])
async def test_what_is_typed_becomes_no_path_at_stripe(console: Console, seeded: Seeded, method: str) -> None:
    """Support types the id of a payment method, and a worker asks for `/v1/payment_methods/{method}` with the account's
    key: what is no id leads to another address."""
    fields = {"to": "stripe", "stripe_payment_method": method, "reason": "asked for"}
    answer = await console[Role.SUPPORT].post(f"/subscriptions/{seeded.subscription}/switch", fields)
    assert answer.status_code == 400, answer.headers.get("location")
    assert await sql.rows("select 1 from tollbridge.switch where stripe_payment_method <> ''") == []
