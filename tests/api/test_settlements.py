"""Settlement files, as a finance team's script gives them: read once, whole, by what was said of their columns."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from db import sql
from tests.api.conftest import MAX_SETTLEMENT, Api, problem
from tests.api.matrix import FILE, READ_AS
from tests.api.seed import seed

MORE = "2027-03-02,Sale,psp_2,5.00,EUR\n"


async def give(api: Api, content: Any = FILE, media_type: str = "text/csv", **query: str) -> httpx.Response:
    headers = api.ours.bearer("finance") | {"content-type": media_type}
    params = {name: value for name, value in (READ_AS | query).items() if value}
    return await api.http.post("/v1/settlements", content=content, params=params, headers=headers)


@pytest.fixture(autouse=True)
async def seeded(api: Api) -> None:
    await seed(api.runtime, api.ours.id)


async def rows() -> int:
    return int(await sql.value("select count(*) from tollbridge.settlement_row"))


async def test_a_file_is_taken_in_once(api: Api) -> None:
    made = (await give(api, name="march.csv")).json()
    assert (made["object"], made["connection"], made["name"]) == ("settlement", "practice", "march.csv")
    assert (made["rows"], made["new_rows"], made["from"]) == (1, 1, 1803859200)
    assert (await give(api, name="again.csv")).json() == made, "the same bytes are the same settlement"
    longer = (await give(api, FILE + MORE)).json()
    assert (longer["rows"], longer["new_rows"], await rows()) == (2, 1, 2)

    listed = (await api.get("/v1/settlements", "finance", connection="practice")).json()
    by_hand = [one["id"] for one in listed["data"] if one["taken_by"]]
    assert (by_hand, len(listed["data"])) == ([longer["id"], made["id"]], 3)
    assert (await api.get(f"/v1/settlements/{made['id']}", "finance")).json() == made


async def test_what_was_said_of_the_columns_is_kept(api: Api) -> None:
    unsaid = {"map": "", "kind": ""}
    assert problem(await give(api, **unsaid)) == (400, "invalid_request", "map")
    assert (await give(api)).status_code == 200
    assert (await give(api, FILE + MORE, **unsaid)).json()["rows"] == 2
    german = (FILE + "2027-03-03,Verkauf,psp_3,1.00,EUR\n").encode()
    assert problem(await give(api, german, **unsaid)) == (400, "invalid_request", "kind.Verkauf")
    assert (await give(api, german, map="", kind="Verkauf=capture")).json()["new_rows"] == 1


@pytest.mark.parametrize(
    ("content", "query", "param", "says"),
    [
        (FILE + "2027-03-02,Sale,psp_2,five,EUR\n", {}, "file", "line 3, column 'Gross'"),
        (FILE + "soon,Sale,psp_2,5.00,EUR\n", {}, "file", "line 3, column 'Date'"),
        (FILE + "2027-03-02,Fee,psp_2,5.00,EUR\n", {}, "kind.Fee", "line 3, column 'What'"),
        (FILE + "2027-03-02\n", {}, "file", "line 3 has 1 cells"),
        (FILE.encode() + b"\xff", {}, "file", "line 3 is not UTF-8"),
        (FILE + "\0", {}, "file", "line 3 holds the character NUL"),
        (FILE, {"map": READ_AS["map"] + ",fee=Costs"}, "map.fee", "the file has no column 'Costs'"),
        (FILE, {"map": "date"}, "map", "is not FIELD=COLUMN"),
        (FILE, {"kind": "Sale=sold"}, "kind.Sale", "is none of"),
        (FILE, {"units": "cents"}, "units", "units"),
        (FILE, {"connection": ""}, "connection", "required"),
        ("", {}, "map.date", "has no column"),
    ],
)
async def test_what_cannot_be_read_is_named_and_nothing_is_taken(
    api: Api, content: Any, query: dict[str, str], param: str, says: str
) -> None:
    answer = await give(api, content, **query)
    assert problem(answer) == (400, "invalid_request", param)
    assert says in answer.json()["detail"]
    assert await rows() == 0


async def test_a_row_that_says_something_else_is_a_conflict(api: Api) -> None:
    ids = {"map": f"{READ_AS['map']},id=Payment"}
    await give(api, **ids)
    answer = await give(api, FILE.replace("10.00", "11.00") + MORE, **ids)
    assert problem(answer) == (409, "state_conflict", "file")
    assert await rows() == 1


async def test_it_may_be_longer_than_other_bodies_and_not_endless(api: Api) -> None:
    async def endless() -> Any:
        yield FILE.encode()
        for _ in range(MAX_SETTLEMENT):
            yield MORE.encode()

    long = FILE + MORE * 500
    assert len(long) > api.runtime.settings.max_body_bytes
    assert (await give(api, long)).json()["rows"] == 501
    await sql.rows("truncate tollbridge.settlement_row")
    assert problem(await give(api, "x" * (MAX_SETTLEMENT + 1)))[:2] == (413, "body_too_large")
    assert problem(await give(api, endless()))[:2] == (413, "body_too_large")


@pytest.mark.parametrize("media_type", ["application/json", "multipart/form-data", "text/plain"])
async def test_another_media_type_is_refused(api: Api, media_type: str) -> None:
    assert problem(await give(api, media_type=media_type)) == (415, "media_type_unsupported", "Content-Type")


async def test_an_accounts_files_go_to_its_own_connections(api: Api) -> None:
    theirs = await seed(api.runtime, api.theirs.id)
    assert problem(await give(api, connection=theirs.connection))[:2] == (404, "not_found")
    listed = await api.get("/v1/settlements", "finance", connection=theirs.connection)
    assert problem(listed)[:2] == (404, "not_found")
    await give(api)
    of = await sql.rows("select distinct account from tollbridge.settlement_row")
    assert [row["account"] for row in of] == [api.ours.id]
