"""What a hostile hand can do in the console yet."""

from __future__ import annotations

import re
from typing import Any

import pytest

from gateway.accounts.audit import Author
from gateway.console.protection import refuse_foreign
from gateway.console.sign_in import inside
from gateway.domain.roles import Role
from gateway.settings import Settings
from gateway.users import users
from tests.api.conftest import BY, Api
from tests.api.seed import Seeded, seed
from tests.console.conftest import HERE, Console, text_of

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


@pytest.mark.parametrize(
    "wanted", ["/console/../payment_methods/x", "/console/%2e%2E/v1/keys", "/console/a/.%2e/../.."]
)
def test_nobody_is_led_out_of_the_console_by_dots(wanted: str) -> None:
    """Browsers take these for steps up (WHATWG URL, 4.4: double-dot path segments)."""
    assert inside(wanted) == "/console"
