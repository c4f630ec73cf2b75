"""What a stranger may post at the organization's page."""

from __future__ import annotations

import pytest

from tests.api.conftest import Api
from tests.api.test_organization import _token, organization

__all__ = ["organization"]
FORM = {"content-type": "application/x-www-form-urlencoded"}


@pytest.mark.parametrize("after", ["%00", "in_%00", "%ff", "x" * 5000, "%ed%a0%80"])
async def test_a_strange_cursor_is_no_fault_of_ours(organization: Api, after: str) -> None:
    token = (await _token(organization))["token"]
    page = await organization.http.post("/organization", content=f"token={token}&starting_after={after}", headers=FORM)
    assert page.status_code in (400, 401, 404), page.text
    assert token not in page.text


@pytest.mark.parametrize(
    "body",
    [
        "token={0}&token={0}",
        "token[a]={0}",
        "{0}",
        "token={0}&starting_after=a&starting_after=b",
        "token=%00{0}",
        "token=%ed%a0%80",
    ],
)
async def test_a_strange_form_shows_no_token_and_no_fault(organization: Api, body: str) -> None:
    token = (await _token(organization))["token"]
    for path in ("", "/portal", "/payment_method"):
        page = await organization.http.post(f"/organization{path}", content=body.format(token), headers=FORM)
        assert page.status_code < 500, page.text
        assert token not in page.text.replace(f'value="{token}"', "")


async def test_json_and_files_are_no_forms(organization: Api) -> None:
    token = (await _token(organization))["token"]
    answers = [
        await organization.http.post("/organization", json={"token": token}),
        await organization.http.post("/organization", files={"token": ("a", token)}),
        await organization.http.post("/organization", content=b"\xff\xfe", headers=FORM),
        await organization.http.post("/organization", content=b"token=" + b"x" * 50_000, headers=FORM),
        await organization.http.get("/organization", params={"token": token}),
    ]
    for one in answers:
        assert one.status_code < 500, one.text
        assert token not in one.text.replace(f'value="{token}"', "")
