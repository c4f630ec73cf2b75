"""A link for a payer: it is shown to be copied, and its secret is nowhere else."""

from __future__ import annotations

import re

import pytest

from db import sql
from gateway.accounts.errors import FieldError
from gateway.domain.roles import Role
from tests.api.seed import Seeded, seed
from tests.console.conftest import Console
from tests.support.staff import text_of


@pytest.fixture
async def seeded(console: Console) -> Seeded:
    return await seed(console.api.runtime, console.api.ours.id)


async def test_a_link_is_made_and_shown_with_its_end(console: Console, seeded: Seeded) -> None:
    path, support = f"/customers/{seeded.customer}/links", console[Role.SUPPORT]
    assert (await console[Role.VIEWER].post(path, {"kind": "page"})).status_code == 403

    made = await support.post(path, {"kind": "page", "subscription": seeded.subscription, "once": "once"})
    page = await support.get(made.headers["location"])

    [secret] = re.findall(r'/payment_methods/pms_\w+#(tbpm_secret_[\w-]+)"', page.text)
    assert "It opens until" in text_of(page)
    assert secret not in made.text + str(made.headers)
    assert (await console[Role.VIEWER].get(made.headers["location"])).status_code == 403
    told = await sql.row("select * from tollbridge.audit_log where action = 'payment_method_session.link_made'")
    assert told is not None
    assert (told["actor"], secret in str(dict(told))) == (support.user, False)
    kept = await sql.row("select headers, body from tollbridge.idempotent_reply")
    assert kept is not None
    assert secret.encode() not in bytes(kept["body"]) + str(kept["headers"]).encode()


async def test_a_link_that_was_used_or_is_over_is_not_shown(console: Console, seeded: Seeded) -> None:
    path = f"/customers/{seeded.customer}/links/{seeded.method_session}"
    assert seeded.method_secret in (await console[Role.SUPPORT].get(path)).text
    for state in ("processing", "expired"):
        await sql.rows("update tollbridge.payment_method_session set state = $1", state)
        answer = await console[Role.SUPPORT].get(path)
        assert answer.status_code == 409
        assert seeded.method_secret not in answer.text


async def test_for_which_subscription_it_was_to_be_stays_chosen(
    console: Console, seeded: Seeded, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(*_: object) -> None:
        raise FieldError("subscription", "has ended")

    monkeypatch.setattr("gateway.console.update_links.make_link", refuse)
    fields = {"kind": "page", "subscription": seeded.subscription}
    answer = await console[Role.SUPPORT].post(f"/customers/{seeded.customer}/links", fields)
    assert (answer.status_code, f'<option value="{seeded.subscription}" selected>' in answer.text) == (400, True)


async def test_a_subscription_of_somebody_else_gets_no_link(console: Console, seeded: Seeded) -> None:
    fields = {"kind": "page", "subscription": "sub_of_another"}
    answer = await console[Role.SUPPORT].post(f"/customers/{seeded.customer}/links", fields)
    assert answer.status_code == 400
    assert "The customer has no such subscription that lives" in text_of(answer)


async def test_the_accounts_own_portal_is_the_same_for_all(console: Console, seeded: Seeded) -> None:
    await sql.rows("update tollbridge.account set portal_url = 'https://billing.example/login'")
    answer = await console[Role.SUPPORT].post(f"/customers/{seeded.customer}/links", {"kind": "portal"})
    assert 'value="https://billing.example/login"' in answer.text
    assert "the payer signs in there" in text_of(answer)
