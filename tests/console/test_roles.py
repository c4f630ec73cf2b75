"""Every route of the console × every role: by its pages, and by requests that somebody makes by hand."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

import httpx
import pytest

from gateway.console.desk import HOME, permitted, signed_in
from gateway.domain.roles import LEAST, ORDER, Role, allows
from tests.api.seed import Seeded, seed
from tests.console.conftest import Console, somebody
from tests.console.matrix import CHANGES, IN_ACCOUNT, PAGES, ROUTES, Route, contents, posts_and_links, seeded_by
from tests.support.staff import HERE, Person, text_of

BEFORE_AN_ACCOUNT = {f"{HOME}/sign-in/code", f"{HOME}/sign-in/enrol", f"{HOME}/sign-out"}
"""They look for a session of another stage, or for one to end."""


@pytest.fixture
async def seeded(console: Console) -> Seeded:
    return await seed(console.api.runtime, console.api.ours.id)


async def _asked(person: Person, route: Route, seeded: Seeded, fields: dict[str, str]) -> httpx.Response:
    """As somebody would with their own session, and a form of their own making."""
    path = route.at(person.account, seeded)
    if not route.changes:
        return await person.get(path)
    if route.handler.opt.get("with_file"):
        headers = {"cookie": f"tollbridge={person.token}"} | HERE
        files = {"file": ("made-up.csv", b"Date,What\n", "text/csv")}
        return await person.http.post(path, data={"csrf": person.csrf, **fields}, files=files, headers=headers)
    return await person.post(path, fields)


def test_every_route_says_who_may() -> None:
    for route in PAGES + CHANGES:
        assert route.action in LEAST, f"{route} names no action of roles.LEAST"
        assert permitted in (route.handler.guards or ()), f"{route} is not guarded: make it by `page` or `change`"
    for route in ROUTES:
        if not route.in_account and route.path not in BEFORE_AN_ACCOUNT:
            open_to_all = route.handler.opt.get("open")
            assert open_to_all or signed_in in (route.handler.guards or ()), (
                f"{route} is neither open nor for who is signed in"
            )
    assert not {route.method for route in ROUTES} - {"GET", "POST"}


WITHOUT_A_REASON: Final[Mapping[str, str]] = {
    "/cases/{case_id}/assign": "who sees to a case is no more than that",
    "/cases/{case_id}/note": "the note is one",
    "/customers/{customer_id}/links": "a link changes nothing until its payer uses it",
    "/customers/{customer_id}/payment_methods/{method_id}/move": "the order is shown, and is moved back as fast",
    "/invoices/views": "a search of one's own",
    "/invoices/views/{view_id}/share": "a search of one's own",
    "/invoices/views/{view_id}/delete": "a search of one's own",
    "/invoices/{invoice_id}/collect": "a try that comes early, as its plan would make it",
    "/reconciliations": "it compares, and changes nothing",
    "/settings/account/check": "it asks, and changes nothing",
    "/settings/connections/{connection}/check": "it asks, and changes nothing",
    "/settings/endpoints/{endpoint_id}/ping": "an event that says it is a test",
}
"""What the audit log tells without a why, and why that is enough."""


def test_what_changes_an_account_says_why() -> None:
    """A form with no place for a reason is here for one of its own. (Of forms that are read by hand only tests of their
    own can tell.)"""
    silent = {
        route.path.removeprefix(IN_ACCOUNT)
        for route in CHANGES
        if not route.handler.opt.get("changes_nothing") and not {"reason", "note"} & route.filled().keys()
    }
    assert silent == set(WITHOUT_A_REASON)


@pytest.mark.parametrize("role", ORDER[:-1])
async def test_nobody_does_by_hand_what_their_role_may_not(console: Console, seeded: Seeded, role: Role) -> None:
    """The proof of the form is right, so that it is the role that refuses."""
    before, wrong = await contents(), []
    for route in CHANGES + PAGES:
        if route.action is None or allows(role, route.action):
            continue
        for fields in ({}, route.filled()) if route.changes else ({},):
            answer = await _asked(console[role], route, seeded, fields)
            if answer.status_code != 403 or f"needs the role {LEAST[route.action]}" not in answer.text:
                wrong.append(f"{role}, {route}: {answer.status_code}")
    assert wrong == []
    assert await contents() == before


async def test_nobody_is_led_to_signing_in(console: Console, seeded: Seeded) -> None:
    before, wrong = await contents(), []
    for route in ROUTES:
        if route.handler.opt.get("open"):
            continue
        answer = await console.http.request(route.method, route.at("ours", seeded), data=route.filled(), headers=HERE)
        if answer.status_code != 303 or not answer.headers["location"].startswith(f"{HOME}/sign-in"):
            wrong.append(f"{route}: {answer.status_code}")
    assert wrong == []
    assert await contents() == before


async def test_another_accounts_admin_finds_nothing(console: Console, seeded: Seeded) -> None:
    stranger = await somebody(console.api, "stranger@example.com", {console.api.theirs.id: Role.ADMIN})
    before, wrong = await contents(), []
    for route in PAGES + CHANGES:
        for fields in ({}, route.filled()) if route.changes else ({},):
            answer = await _asked(stranger, route, seeded, fields)
            if answer.status_code != 404:
                wrong.append(f"{route}: {answer.status_code}")
    assert wrong == []
    assert await contents() == before


async def test_ids_of_another_account_are_not_to_be_found(console: Console) -> None:
    theirs = await seed(console.api.runtime, console.api.theirs.id)
    before, wrong = await contents(), []
    for route in PAGES + CHANGES:
        if route.parameters() > 1:
            answer = await _asked(console[Role.ADMIN], route, theirs, route.filled() if route.changes else {})
            if answer.status_code != 404:
                wrong.append(f"{route}: {answer.status_code} {text_of(answer)[:200]}")
    assert wrong == []
    assert await contents() == before


@pytest.mark.parametrize("role", ORDER)
async def test_a_page_offers_what_its_reader_may(console: Console, seeded: Seeded, role: Role) -> None:
    """No form posts to what would be refused: a viewer's pages have none that changes the account."""
    wrong = []
    for route in PAGES:
        if route.action is None or not allows(role, route.action):
            continue
        answer = await console[role].get(route.at("ours", seeded))
        if answer.status_code in (403, 500):  # 503 says that nobody is at Stripe here
            wrong.append(f"{role} on {route}: {answer.status_code}")
        for path in _own(posts_and_links(answer.text)[0], answer):
            aims = min((one for one in CHANGES if one.leads_to(path)), key=Route.parameters, default=None)
            if aims is None or aims.action is None or not allows(role, aims.action):
                wrong.append(f"{role} on {route}: a form to {path}")
    assert wrong == []


def _own(paths: list[str], page: httpx.Response) -> list[str]:
    """Those within the account; a form without an address posts to where it stands."""
    return [path or page.request.url.path for path in paths if (path or page.request.url.path).startswith(f"{HOME}/a/")]


def test_every_path_parameter_has_a_sample() -> None:
    """Else the pages behind it are looked at with an id that leads nowhere: name one in `matrix.SAMPLES`."""
    named = {name for route in PAGES for name in re.findall(r"{(\w+)}", route.path)} - {"account", "rest"}
    assert {name for name in named if seeded_by(name) not in Seeded.__dataclass_fields__} == set()


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("/customers/{customer}/payment_methods/{method}/move", {"position": "1" * 5_000}),
        ("/subscriptions/{subscription}/switch", {"to": "gateway", "days_until_due": "1" * 5_000, "reason": "x"}),
        ("/settings/endpoints/{endpoint}/roll", {"keep_s": "9" * 30}),
        ("/settings/account/key", {"api_key": "", "reason": "x"}),
    ],
)
async def test_what_no_form_of_ours_would_post_is_no_error_of_ours(
    console: Console, seeded: Seeded, path: str, fields: dict[str, str]
) -> None:
    names = {name: getattr(seeded, name) for name in seeded.__dataclass_fields__}
    answer = await console[Role.ADMIN].post(path.format_map(names), fields)
    assert answer.status_code == 400, text_of(answer)
