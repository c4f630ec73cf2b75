"""The account's settings: who sees and changes them, that no secret is shown, and that nobody reaches another's."""

from __future__ import annotations

import re
from typing import Any

import httpx
import pytest

from db import sql
from gateway.accounts import accounts, connections, keys, webhook_endpoints
from gateway.accounts.accounts import Account
from gateway.accounts.audit import Author
from gateway.accounts.connections import ConnectionChange
from gateway.accounts.errors import FieldError
from gateway.domain.roles import Role
from gateway.inbox.stripe_endpoint import SetUp
from processors.outcome import DeclineClass
from processors.values import Secret
from tests.api.conftest import BY, make_tenant
from tests.api.seed import NOW, PRACTICE, add_endpoint, add_invoice, insert, seed
from tests.console.conftest import Console, somebody
from tests.support.serving import open_door
from tests.support.staff import text_of

PAGES = "account connections connections/new?adapter=practice connections/new policies declines users keys endpoints"
NEW = {
    "adapter": "practice",
    "name": "practice-eu",
    "credentials.api_key": "made-up-key",
    "credentials.webhook_secret": "made-up-secret",
    "options.base_url": "http://127.0.0.1:1",
    "options.account": "pa_1",
    "currencies": "EUR, usd",
    "countries": "de AT",
    "priority": "3",
}


async def _account(console: Console) -> Account:
    return await accounts.show(console.api.ours.id)


async def _connection(console: Console, account: str = "") -> str:
    runtime = console.api.runtime
    made = await connections.add(runtime, Author(BY), account or console.api.ours.id, "practice", "practice", PRACTICE)
    return made.id


def _secret(answer: httpx.Response) -> str:
    found = re.search(r'class="card once">.*?<code>([^<]+)</code>', answer.text, re.DOTALL)
    assert found is not None, text_of(answer)
    return found[1]


async def test_each_page_of_settings_has_one_heading_and_no_style_in_it(console: Console) -> None:
    for page in PAGES.split():
        shown = await console[Role.ADMIN].get(f"/settings/{page}")
        assert (shown.status_code, shown.text.count("<h1>")) == (200, 1), page
        assert "style=" not in shown.text


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("/settings/users/invite", {"email": "ada@example.com", "role": "viewer"}),
        ("/settings/keys", {"name": "shop", "scopes": "server"}),
        ("/settings/account/enabled", {"enabled": "false"}),
        ("/settings/connections/practice/enabled", {"enabled": "false"}),
        ("/settings/endpoints/whe_1/enabled", {"enabled": "false"}),
    ],
)
async def test_a_reason_has_a_bound_in_the_settings(console: Console, path: str, fields: dict[str, str]) -> None:
    """It stands in the audit log for ever; everywhere else it has 2000 letters at most."""
    await seed(console.api.runtime, console.api.ours.id)
    await insert("webhook_endpoint", id="whe_1", account=console.api.ours.id, url="https://192.0.43.8", created_at=NOW)
    answer = await console[Role.ADMIN].post(path, fields | {"reason": "x" * 2001})
    assert (answer.status_code, await sql.value("select max(length(reason)) from tollbridge.audit_log")) == (400, 0)


# --- the account ---------------------------------------------------------------------------------------------------


async def test_the_account_is_disabled_with_its_reason(console: Console) -> None:
    admin = console[Role.ADMIN]
    done = await admin.post("/settings/account/enabled", {"enabled": "false", "reason": "moving"})
    assert (done.status_code, (await _account(console)).enabled) == (303, False)
    reason = "select reason from tollbridge.audit_log where action = 'account.updated'"
    assert await sql.value(reason) == "moving"


@pytest.mark.parametrize(
    ("form", "fields"),
    [
        ("key", {"api_key": "rk_live_made_up_9"}),
        ("portal", {"portal_url": "no address"}),
        ("enabled", {"enabled": "false"}),
    ],
)
async def test_what_cannot_be_changed_of_the_account_keeps_its_reason(
    console: Console, form: str, fields: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    if form == "enabled":
        monkeypatch.setattr("gateway.console.settings.account.accounts.update", _refuse)
    refused = await console[Role.ADMIN].post(f"/settings/account/{form}", fields | {"reason": "as agreed"})
    assert (refused.status_code, refused.text.count('value="as agreed"')) == (400, 1)
    [shown] = re.findall(f'/settings/account/{form}" class.*?</form>', refused.text, re.DOTALL)
    assert 'value="as agreed"' in shown
    assert ("no address" in refused.text) is (form == "portal")


async def _refuse(*_: object, **__: object) -> None:
    raise FieldError("enabled", "can't be changed now")


async def test_how_the_webhook_was_to_be_set_up_stays_chosen(console: Console) -> None:
    refused = await console[Role.ADMIN].post("/settings/account/setup", {"thin": "thin", "roll": "true"})
    assert refused.status_code == 503, text_of(refused)
    assert '<option value="thin" selected>' in refused.text
    assert '<option value="true" selected>' in refused.text


async def test_a_connection_that_cannot_be_disabled_keeps_the_reason(
    console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = f"/settings/connections/{await _connection(console)}"
    monkeypatch.setattr("gateway.console.settings.connections.connections.update", _refuse)
    refused = await console[Role.ADMIN].post(f"{path}/enabled", {"enabled": "false", "reason": "as agreed"})
    assert (refused.status_code, refused.text.count('value="as agreed"')) == (400, 1)


async def test_no_key_is_shown_and_one_of_the_other_mode_is_refused_at_its_field(console: Console) -> None:
    admin = console[Role.ADMIN]
    assert "sk_test_ours" not in (await admin.get("/settings/account")).text
    refused = await admin.post("/settings/account/key", {"api_key": "rk_live_made_up_9"})
    assert (refused.status_code, 'id="api_key-wrong"' in refused.text) == (400, True)
    assert "rk_live_made_up_9" not in refused.text


async def test_a_key_that_cannot_be_asked_about_is_not_taken(console: Console) -> None:
    kept = "select api_key from tollbridge.account where name = 'ours'"
    before = await sql.value(kept)
    # Its Stripe is a closed port, and it was never asked whose the old one is: it is known here.
    await sql.rows("update tollbridge.account set stripe_account = 'acct_made_up' where name = 'ours'")
    refused = await console[Role.ADMIN].post("/settings/account/key", {"api_key": "rk_test_another_made_up"})
    assert refused.status_code == 503
    assert await sql.value(kept) == before


async def test_a_signing_secret_is_added_beside_the_first_which_is_then_retired(console: Console) -> None:
    admin = console[Role.ADMIN]
    [first] = (await _account(console)).webhook_secrets
    assert (await admin.post("/settings/account/secrets", {"secret": "whsec_another_made_up"})).status_code == 303
    page = await admin.get("/settings/account")
    assert (first.id in page.text, "whsec_another" in page.text) == (True, False)
    assert (await admin.post(f"/settings/account/secrets/{first.id}/retire")).status_code == 303
    [left] = (await _account(console)).webhook_secrets
    assert left.id != first.id


async def test_the_check_of_the_key_answers_in_its_place_and_as_a_page(console: Console) -> None:
    admin = console[Role.ADMIN]
    part = await admin.post("/settings/account/check", {"once": "a"}, **{"hx-request": "true"})
    assert ("<html" in part.text, 'class="problem"' in part.text) == (False, True)
    assert "<html" in (await admin.post("/settings/account/check", {"once": "b"})).text


async def test_what_was_set_up_at_stripe_is_told(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[bool | None, bool]] = []

    async def set_up(*_: object, thin: bool | None, roll: bool) -> SetUp:
        asked.append((thin, roll))
        return SetUp({"we_1": "created"}, ["we_0 was made by hand"])

    monkeypatch.setattr("gateway.console.settings.account.stripe_endpoint.set_up", set_up)
    admin = console[Role.ADMIN]
    told = text_of(await admin.post("/settings/account/setup", {"thin": "thin", "roll": "true"}))
    assert "we_1 : created we_0 was made by hand" in told
    await admin.post("/settings/account/setup")
    assert asked == [(True, True), (None, False)]


# --- connections ---------------------------------------------------------------------------------------------------


async def test_a_connection_is_added_by_what_its_adapter_declares(console: Console) -> None:
    admin = console[Role.ADMIN]
    form = await admin.get("/settings/connections/new?adapter=practice")
    for name in ("credentials.api_key", "credentials.webhook_secret", "options.base_url", "options.account"):
        assert f'name="{name}"' in form.text
    assert (await admin.post("/settings/connections", NEW)).status_code == 303
    made = await connections.show(console.api.ours.id, "practice-eu")
    assert (made.currencies, made.routing.countries, made.priority) == (("eur", "usd"), ["DE", "AT"], 3)
    page = await admin.get(f"/settings/connections/{made.id}")
    assert "/webhooks/ours/practice-eu" in page.text
    assert "made-up" not in page.text


async def test_what_is_wrong_with_a_connection_is_said_at_its_field(console: Console) -> None:
    wrong = {"name": "With Space", "credentials.api_key": "", "currencies": "euro", "countries": "Germany"}
    for field, value in (wrong | {"priority": "first", "weight": "0"}).items():
        refused = await console[Role.ADMIN].post("/settings/connections", {**NEW, field: value})
        assert (refused.status_code, f'id="{field}-wrong"' in refused.text) == (400, True), field
        assert 'value="http://127.0.0.1:1"' in refused.text
    assert await connections.listed(console.api.ours.id) == []


async def test_a_connection_keeps_what_is_left_empty(console: Console) -> None:
    admin, connection = console[Role.ADMIN], await _connection(console)
    before = console.api.runtime.connections.credentials(await sql.row("select * from tollbridge.connection"))
    fields = {"credentials.api_key": "", "credentials.webhook_secret": "another", "options.account": "pa_2"}
    await admin.post(f"/settings/connections/{connection}", {**fields, "record_on": "settled", "reason": "rotated"})
    after = console.api.runtime.connections.credentials(await sql.row("select * from tollbridge.connection"))
    assert after["api_key"] == before["api_key"]
    assert after["webhook_secret"].reveal() == "another"
    known = await connections.show(console.api.ours.id, connection)
    assert (known.options["account"], known.record_on, known.options["base_url"]) == (
        "pa_2",
        "settled",
        "https://127.0.0.1:1",
    )


async def test_a_connection_is_disabled_and_enabled(console: Console) -> None:
    connection = await _connection(console)
    for enabled in (False, True):
        fields = {"enabled": str(enabled).lower()}
        await console[Role.ADMIN].post(f"/settings/connections/{connection}/enabled", fields)
        assert (await connections.show(console.api.ours.id, connection)).enabled is enabled


async def test_a_check_answers_in_its_place(console: Console) -> None:
    connection = await _connection(console)
    part = await console[Role.ADMIN].post(f"/settings/connections/{connection}/check", **{"hx-request": "true"})
    assert ("<html" in part.text, "The processor can" in text_of(part)) == (False, True)


# --- decline codes -------------------------------------------------------------------------------------------------


async def _declined(console: Console, connection: str, code: str) -> None:
    account = console.api.ours.id
    await add_invoice(account, "in_1", customer="cus_1")
    await insert("customer", account=account, id="cus_1", created_at=NOW)
    method = {
        "customer": "cus_1",
        "connection": connection,
        "reference": b"sealed",
        "token_hash": "h",
        "vault_hash": "h",
    }
    await insert("payment_method", id="pmt_1", account=account, status="active", created_at=NOW, **method)
    what = {"invoice": "in_1", "connection": connection, "payment_method": "pmt_1", "reference": "in_1.1"}
    said = {"decline_class": "do_not_honor", "advice": "retry_later", "processor_code": code}
    await sql.rows(
        f"""insert into tollbridge.attempt (id, account, number, amount, currency, state, reason, idempotency_key,
                created_at, sent_at, resolved_at, {", ".join((*what, *said))})
            values ('att_1', $1, 1, 100, 'eur', 'declined', 'first', gen_random_uuid(), now(), now(), now(),
                $2, $3, $4, $5, $6, $7, $8)""",
        account,
        *what.values(),
        *said.values(),
    )


async def test_what_a_processor_said_is_treated_otherwise_and_back(console: Console) -> None:
    admin, connection = console[Role.ADMIN], await _connection(console)
    await _declined(console, connection, "odd_code")
    lately = text_of(await admin.get("/settings/declines"))
    assert re.search(r"odd_code 1 .* in no table was taken for do not honor", lately)
    fields = {"connection": connection, "code": "odd_code", "decline_class": "account_closed", "reason": "they said so"}
    assert (await admin.post("/settings/declines", fields)).status_code == 303
    known = await connections.show(console.api.ours.id, connection)
    assert known.declines == {"odd_code": DeclineClass.ACCOUNT_CLOSED}
    page = text_of(await admin.get(f"/settings/declines?connection={connection}"))
    assert "has declined nothing in the last 30 days that you have not classed" in page
    await admin.post("/settings/declines", {"connection": connection, "code": "odd_code"})
    assert (await connections.show(console.api.ours.id, connection)).declines == {}


async def test_codes_of_another_accounts_connection_are_not_to_be_found(console: Console) -> None:
    theirs = await _connection(console, console.api.theirs.id)
    fields = {"connection": theirs, "code": "51", "decline_class": "fraud"}
    assert (await console[Role.ADMIN].post("/settings/declines", fields)).status_code == 404
    assert (await console[Role.ADMIN].get(f"/settings/declines?connection={theirs}")).status_code == 404
    assert (await connections.show(console.api.theirs.id, theirs)).declines == {}


# --- keys ----------------------------------------------------------------------------------------------------------


async def test_a_key_is_shown_once_and_opens_what_was_ticked(console: Console) -> None:
    admin = console[Role.ADMIN]
    fields = {"name": "backend", "scopes": "server", "once": "one"}
    made = await admin.post("/settings/keys", fields)
    key = _secret(made)
    answer = await console.http.get("/v1/invoices", headers={"authorization": f"Bearer {key}"})
    assert answer.status_code == 200
    assert key not in (await admin.get("/settings/keys")).text
    # The same form once more makes no second one.
    assert _secret(await admin.post("/settings/keys", fields)) == key
    assert sum(one.name == "backend" for one in await keys.listed(console.api.ours.id)) == 1


async def test_a_key_without_a_scope_is_refused_with_what_was_typed(console: Console) -> None:
    refused = await console[Role.ADMIN].post("/settings/keys", {"name": "backend"})
    assert (refused.status_code, 'value="backend"' in refused.text) == (400, True)


async def test_a_revoked_key_opens_nothing(console: Console) -> None:
    ours, secret = await keys.create(Author(BY), console.api.ours.id, "old", ["server"])
    assert (await console[Role.ADMIN].post(f"/settings/keys/{ours.id}/revoke")).status_code == 303
    headers = {"authorization": f"Bearer {secret.reveal()}"}
    assert (await console.http.get("/v1/invoices", headers=headers)).status_code == 401


# --- webhook endpoints ---------------------------------------------------------------------------------------------


async def test_an_endpoint_is_added_and_its_secret_shown_once(console: Console) -> None:
    admin = console[Role.ADMIN]
    fields = {"url": "https://203.0.113.9/hook", "types": "tollbridge.invoice.paid", "description": "mails"}
    refused = await admin.post("/settings/endpoints", {**fields, "url": "http://127.0.0.1/hook"})
    assert (refused.status_code, 'id="url-wrong"' in refused.text) == (400, True)
    assert 'value="tollbridge.invoice.paid" checked' in refused.text
    secret = _secret(await admin.post("/settings/endpoints", {**fields, "url": "https://8.8.8.8/hook"}))
    [made] = await webhook_endpoints.listed(console.api.ours.id)
    assert (secret.startswith("whsec_"), made.types) == (True, ("tollbridge.invoice.paid",))
    assert secret not in (await admin.get(f"/settings/endpoints/{made.id}")).text


async def test_an_endpoint_is_rolled_tried_disabled_and_removed(console: Console) -> None:
    admin, account = console[Role.ADMIN], console.api.ours.id
    endpoint = await add_endpoint(console.api.runtime, account)
    path = f"/settings/endpoints/{endpoint}"
    assert _secret(await admin.post(f"{path}/roll", {"keep_s": "3600"})).startswith("whsec_")
    assert (await webhook_endpoints.show(account, endpoint)).old_secret_expires_at is not None
    assert (await admin.post(f"{path}/ping")).status_code == 303
    assert "webhook endpoint: ping" in text_of(await admin.get(path))
    await admin.post(f"{path}/enabled", {"enabled": "false"})
    refused = await admin.post(f"{path}/ping", {"once": "again"})
    assert (refused.status_code, (await webhook_endpoints.show(account, endpoint)).enabled) == (409, False)
    await admin.post(f"{path}/remove")
    assert await webhook_endpoints.listed(account) == []


async def test_a_credential_is_not_sent_to_an_address_that_was_given_without_it(console: Console) -> None:
    """A credential is never shown. Whoever may change where it is sent to, and has it checked, would read it there; of
    Stripe's key it is asked again (`accounts.alter`)."""
    heard: list[str] = []

    async def listening(scope: Any, receive: Any, send: Any) -> None:
        heard.extend(value.decode() for _, value in scope["headers"])
        await send({"type": "http.response.start", "status": 401, "headers": []})
        await send({"type": "http.response.body", "body": b"{}"})

    admin, path = console[Role.ADMIN], f"/settings/connections/{await _connection(console)}"
    async with open_door() as elsewhere:
        elsewhere.app = listening
        fields = {"options.base_url": elsewhere.url, "options.account": "pa_1", "currencies": "eur"}
        changed = await admin.post(path, fields)
        in_part = await admin.post(path, fields | {"credentials.webhook_secret": "made-up-secret"})
        await admin.post(f"{path}/check")
        assert not any("practice_key" in one for one in heard)
        assert (changed.status_code, in_part.status_code) == (400, 400)
        assert "Give every credential anew: options.base_url chooses where they are sent" in text_of(changed)

        anew = {"credentials.api_key": "another-key", "credentials.webhook_secret": "made-up-secret"}
        assert (await admin.post(path, fields | anew)).status_code == 303
        await admin.post(f"{path}/check")
        assert any("another-key" in one for one in heard)


async def test_another_environment_or_prefix_is_another_address(console: Console) -> None:
    kept = {"api_key": Secret("made-up"), "hmac_key": Secret("ab" * 16)}
    options = {"environment": "test", "account": "Shop", "mode": "hosted"}
    runtime, ours = console.api.runtime, console.api.ours.id
    wanted = ConnectionChange(credentials=kept, options=options)
    made = await connections.add(runtime, Author(BY), ours, "adyen", "adyen", wanted)
    told = ConnectionChange(options={"live_prefix": "elsewhere"})
    with pytest.raises(FieldError, match=r"options\.live_prefix chooses where"):
        await connections.update(runtime, Author(BY), ours, made.id, told)
    plain = await connections.update(runtime, Author(BY), ours, made.id, ConnectionChange(options={"country": "DE"}))
    assert plain.options["country"] == "DE"


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://203.0.113.1", "Must be https where the account is live"),
        ("https://127.0.0.1", "is not on the public internet"),
        ("https://[::ffff:10.0.0.1]/", "is not on the public internet"),
    ],
)
async def test_live_credentials_go_out_under_tls_and_never_into_our_network(
    console: Console, url: str, said: str
) -> None:
    """As Stripe's key and the portal's address of a live account (`accounts._url`)."""
    live = await make_tenant(console.api.runtime.keyring, "live", "live")
    admin = await somebody(console.api, "live@example.com", {live.id: Role.ADMIN})
    admin.account = live.name
    answer = await admin.post("/settings/connections", NEW | {"options.base_url": url})
    assert (answer.status_code, said in text_of(answer)) == (400, True), text_of(answer)
    made = await admin.post("/settings/connections", NEW | {"options.base_url": "https://8.8.8.8"})
    assert made.status_code == 303, text_of(made)
    path = made.headers["location"].partition("?")[0].removeprefix("/console/a/live")
    changed = await admin.post(path, NEW | {"options.base_url": url})
    assert (changed.status_code, said in text_of(changed)) == (400, True)
