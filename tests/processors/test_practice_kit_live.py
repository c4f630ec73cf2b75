"""The kit's live tests, against the practice processor as it's served: what they ask for, a sandbox can answer."""

from __future__ import annotations

from tests.processors.conftest import API_KEY, WEBHOOK_SECRET, Practice
from tests.processors.test_example_package import KIT, ROOT, execute

LIVE = (*KIT, "processors.conformance.test_live", "--tollbridge-subject=processors.practice.conformance:SUBJECT")


def credentials(practice: Practice, **changed: str) -> dict[str, str]:
    given = {"base_url": practice.base_url, "account": practice.account.id}
    given |= {"api_key": API_KEY, "webhook_secret": WEBHOOK_SECRET} | changed
    return {"PYTHONPATH": str(ROOT)} | {
        f"TOLLBRIDGE_LIVE_PRACTICE_{name.upper()}": text for name, text in given.items()
    }


async def test_a_sandbox_that_is_in_order(practice: Practice) -> None:
    code, said = await execute(*LIVE, **credentials(practice))
    assert code == 0, said
    assert "3 passed, 1 skipped" in said, said  # there is nothing that only a poll finds
    assert [setup.reference[:4] for setup in practice.account.setups.values()] == ["kit-"]
    assert not practice.charges_sent()


async def test_credentials_that_are_wrong(practice: Practice) -> None:
    code, said = await execute(*LIVE, "-k", "credentials", **credentials(practice, api_key="practice_unopened_key"))
    assert code == 1, said
    assert "1 failed" in said
    assert "practice_unopened_key" not in said


async def test_without_credentials_they_are_skipped(practice: Practice) -> None:
    given = credentials(practice)
    del given["TOLLBRIDGE_LIVE_PRACTICE_API_KEY"]
    code, said = await execute(*LIVE, "-rs", **given)
    assert code == 0, said
    assert "set TOLLBRIDGE_LIVE_PRACTICE_API_KEY" in said
    assert "4 skipped" in said
