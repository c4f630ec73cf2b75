"""What a hostile hand can do in the console yet."""

from __future__ import annotations

import re
from typing import Any

import httpx
import pytest

from db import sql
from gateway.accounts.audit import Author
from gateway.books.report import row
from gateway.console.protection import refuse_foreign
from gateway.domain.roles import Role
from gateway.settings import Settings
from gateway.users import users
from tests.api.conftest import BY, Api
from tests.api.seed import Seeded, add_invoice, seed
from tests.console.conftest import HERE, Console, text_of
from tests.console.test_reconciliations import READ_AS, files

PASSWORD = "made up words for a test"
ANOTHER = "other made up words"
LIMIT = """update tollbridge.account set policies = '{"approval_above": {"eur": 500}}' where id = $1"""


@pytest.fixture
async def seeded(console: Console) -> Seeded:
    return await seed(console.api.runtime, console.api.ours.id)


async def _secret_shown(api: Api, password: str) -> str:
    """Somebody signs in with a password, and looks at the page that sets the second factor up: the secret on it."""
    fields = {"email": "ada@example.com", "password": password}
    entered = await api.http.post("/console/sign-in", data=fields, headers=HERE)
    assert entered.headers["location"] == "/console/sign-in/enrol", text_of(entered)
    cookie = entered.headers["set-cookie"].partition(";")[0]
    page = await api.http.get("/console/sign-in/enrol", headers={"cookie": cookie})
    found = re.search(r"<code>([A-Z2-7]+)</code>", page.text)
    assert found is not None
    return found[1]


async def _ada(api: Api) -> str:
    user = await users.add(Author(BY), "ada@example.com", "Ada")
    await users.give_role(Author(BY), user.id, api.ours.id, Role.FINANCE)
    await users.set_password(Author(BY), user.id, PASSWORD)
    return user.id


async def test_a_secret_that_a_thief_of_the_password_was_shown_is_not_the_owners(api: Api) -> None:
    """The thief changes nothing, so that nobody notices. What the owner sets up later must be seen by nobody else, or
    the second factor is the thief's for ever."""
    await _ada(api)
    assert await _secret_shown(api, PASSWORD) != await _secret_shown(api, PASSWORD)


async def test_a_secret_that_was_begun_with_is_over_with_another_password(api: Api) -> None:
    """Another password is what one chooses where the old one is no secret any more."""
    user = await _ada(api)
    seen = await _secret_shown(api, PASSWORD)
    await users.set_password(Author(BY), user, ANOTHER)
    assert await _secret_shown(api, ANOTHER) != seen


async def test_a_reply_that_is_kept_is_for_who_may_still_ask_for_it(console: Console) -> None:
    """The guard stands behind the replies that are kept: they hold keys, invitations' links and signing secrets."""
    admin = console[Role.ADMIN]
    fields = {"name": "shop", "scopes": "admin", "once": "one form"}
    made = await admin.post("/settings/keys", fields)
    secret = re.search(r"tb_test_[0-9a-f]{48}", made.text)
    assert secret is not None
    await users.give_role(Author(BY), admin.user, console.api.ours.id, Role.VIEWER)
    again = await admin.post("/settings/keys", fields)
    assert (again.status_code, secret[0] in again.text) == (403, False)


async def test_two_refunds_need_a_second_person_where_one_as_large_does(console: Console, seeded: Seeded) -> None:
    """5.00 EUR is the most that one person gives back of a payment: 4.90 and 4.90 are more."""
    await sql.rows(LIMIT, console.api.ours.id)
    for once in ("one form", "another form"):
        fields = {"invoice": seeded.invoice, "by": "amount", "amount": "4.90", "once": once}
        assert (await console[Role.FINANCE].post("/refunds", fields)).status_code == 303
    rows = await sql.rows(
        "select approval from tollbridge.refund where account = $1 and amount = 490 order by approval",
        console.api.ours.id,
    )
    assert sorted(one["approval"] for one in rows) == ["", "waiting"]


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://["},
        {"sec-fetch-site": "same-origin", "hx-request": "true", "hx-current-url": "http://["},
        {"sec-fetch-site": "same-origin", "host": "["},
    ],
)
async def test_headers_that_are_no_address_are_a_page(console: Console, headers: dict[str, str]) -> None:
    answer = await console.http.post("/console/a/ours/refunds", data={"once": "x"}, headers=headers)
    assert answer.status_code < 500
    assert "content-security-policy" in answer.headers


async def test_a_form_of_the_same_host_without_tls_is_foreign() -> None:
    """Whoever sits in the network makes http://pay.example say what they like. (Browsers without Sec-Fetch-Site.)"""
    scope: Any = {"headers": [(b"origin", b"http://pay.example"), (b"host", b"pay.example")]}
    with pytest.raises(Exception, match="does not come from the console"):
        refuse_foreign(scope, Settings(public_url="https://pay.example"))


@pytest.mark.parametrize("field", ["hosted_invoice_url", "invoice_pdf"])
async def test_a_link_that_is_no_address_is_none(console: Console, field: str) -> None:
    """As of a dispute's page at its processor (`dispute.html`): what is clicked leads to an address, and runs nothing."""
    snapshot = {"id": "in_x", "status": "open", "currency": "eur", field: "javascript:alert(document.domain)"}
    values = {"state": "closed", "status": "open", "collector": "hosted", "currency": "eur", "stale": False}
    await add_invoice(console.api.ours.id, "in_x", snapshot=snapshot, **values)
    page = await console[Role.VIEWER].get("/invoices/in_x")
    assert page.status_code == 200
    assert 'href="javascript:' not in page.text


async def test_a_kept_search_writes_no_persons_mail_into_the_log(console: Console) -> None:
    """The log is append-only and outlives an erasure: `customers/personal.py` knows of nothing of a customer in it but
    reasons, nor in a kept search."""
    fields = {"name": "hers", "query": "search=payer%40example.com"}
    assert (await console[Role.SUPPORT].post("/invoices/views", fields)).status_code == 303
    rows = await sql.rows("select * from tollbridge.audit_log where action = 'console_view.saved'")
    assert len(rows) == 1
    assert "payer" not in str(rows)


@pytest.mark.parametrize("cell", ["\n=1+1", "\uff1d1+1", "\uff0b1", "\uff20SUM(1)"])
def test_what_a_spreadsheet_takes_for_a_formula_is_text(cell: str) -> None:
    """OWASP, CSV injection: a line feed, and the wide forms of the signs, which Japanese and Chinese versions read."""
    assert row([cell]).lstrip('"').startswith("'")


@pytest.mark.parametrize(
    "path",
    [
        "/invoices?due_until=9999-12-31",
        "/invoices?created_until=9999-12-31",
        "/invoices?collected_until=9999-12-31",
        "/invoices?declined_until=9999-12-31",
        "/invoices?due_from=0001-01-01",
        "/invoices?search=" + "9" * 5_000,
        "/exports/journal?from=9999-12-31&to=9999-12-31",
        "/exports/journal?from=0001-01-01&to=0001-01-02",
        "/audit?from=0001-01-01",
    ],
)
async def test_a_day_or_number_at_the_end_of_all_is_no_error_of_ours(
    console: Console, seeded: Seeded, path: str
) -> None:
    assert (await console[Role.ADMIN].get(path)).status_code < 500


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("/customers/{customer}/payment_methods/{method}/move", {"position": "1" * 5_000}),
        ("/subscriptions/{subscription}/switch", {"to": "gateway", "days_until_due": "1" * 5_000, "reason": "x"}),
        ("/invoices/{invoice}/record-payment", {"source": "cash", "reference": "r", "received": "9999-12-31", "reason": "x"}),
        ("/invoices/{invoice}/record-payment", {"source": "cash", "reference": "r", "received": "2027-03-01", "reason": "x", "amount": "1" * 5_000}),
        ("/invoices/{invoice}/pause", {"until": "9999-12-31", "reason": "x"}),
        ("/subscriptions/{subscription}/grants", {"until": "9999-12-30", "reason": "x"}),
        ("/settings/connections", {"adapter": "practice", "name": "n", "weight": "\u0663", "currencies": "eur"}),
        ("/settings/endpoints/{endpoint}/roll", {"keep_s": "9" * 30}),
        ("/settings/endpoints/{endpoint}/roll", {"keep_s": "-1"}),
        ("/refunds", {"invoice": "{invoice}", "amount": "9" * 40, "once": "x"}),
        ("/reconciliations", {"until": "9999-12-31", "from": "9999-12-31"}),
    ],
)  # fmt: skip
async def test_what_no_form_of_ours_would_post_is_no_error_of_ours(
    console: Console, seeded: Seeded, path: str, fields: dict[str, str]
) -> None:
    names = {name: getattr(seeded, name) for name in seeded.__dataclass_fields__}
    answer = await console[Role.ADMIN].post(
        path.format_map(names), {name: value.format_map(names) for name, value in fields.items()}
    )
    assert answer.status_code in (303, 400, 404, 409, 422, 503), text_of(answer)


@pytest.mark.parametrize("name", ["a\0b.csv", "a\udcffb.csv", "x" * 5_000, "a\r\nb.csv", "=1+1.csv"])
async def test_a_file_may_be_called_whatever_it_is(console: Console, seeded: Seeded, name: str) -> None:
    finance = console[Role.FINANCE]
    parts = {"csrf": finance.csrf, "connection": "practice"} | READ_AS
    lines = [f'--b\r\ncontent-disposition: form-data; name="{field}"\r\n\r\n{value}\r\n' for field, value in parts.items()]
    lines.append(f'--b\r\ncontent-disposition: form-data; name="file"; filename="{name}"\r\n\r\nDate,What\r\n--b--\r\n')
    body = "".join(lines).encode("utf-8", "surrogateescape")
    headers = {"cookie": f"tollbridge={finance.token}", "content-type": "multipart/form-data; boundary=b"} | HERE
    answer: httpx.Response = await finance.http.post("/console/a/ours/settlements", content=body, headers=headers)
    assert answer.status_code < 500, text_of(answer)
    assert await files() == 0
