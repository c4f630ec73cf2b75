"""Marketplaces: endpoints at Stripe that set each other up, keys of others, what is taken away that is not ours."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from db import sql
from gateway.accounts import accounts, stripe_key, webhook_secrets
from gateway.accounts.accounts import Account, AccountChange
from gateway.accounts.apply import AccountEntry, Document, apply
from gateway.accounts.audit import Author
from gateway.accounts.errors import CheckFailedError, FieldError
from gateway.billing import webhook_endpoints
from gateway.clock import business_now
from gateway.inbox import endpoint_rows
from gateway.inbox.stripe_endpoint import set_up
from gateway.runtime import Runtime
from gateway.sandbox.stripe.store import Account as StripeAccount
from processors.values import Secret
from tests.accounts.conftest import by, runtime
from tests.accounts.test_setup_webhook import DAY, account, made_by_hand, sandbox, secrets, signing, stripe
from tests.support.serving import serving

__all__ = ["account", "by", "runtime", "sandbox", "stripe"]


def meanwhile(monkeypatch: pytest.MonkeyPatch, name: str, other: Callable[[], Awaitable[Any]]) -> None:
    """Once, right after this call of ours to Stripe was answered, somebody else does something."""
    real, waits = getattr(webhook_endpoints, name), [other]

    async def call(*args: Any, **kwargs: Any) -> Any:
        answer = await real(*args, **kwargs)
        if waits:
            with suppress(CheckFailedError):  # one waits for the other
                await waits.pop()()
        return answer

    monkeypatch.setattr(webhook_endpoints, name, call)


def snapshots(stripe: StripeAccount) -> set[str]:
    return set(stripe.webhook_endpoints)


async def test_a_roll_beside_a_plain_set_up_leaves_an_endpoint_at_stripe(
    runtime: Runtime, by: Author, account: Account, stripe: StripeAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Law 9's other end: the plain one takes the endpoint that the roll has just made for a lost one and removes it;
    the roll commits its row, and a day later the old one goes too. No event comes any more, and nobody is told."""
    await set_up(runtime, by, "eu")
    meanwhile(monkeypatch, "create", lambda: set_up(runtime, by, "eu"))
    await set_up(runtime, by, "eu", roll=True)
    await endpoint_rows.retire_due(runtime, await business_now() + DAY)
    assert len(snapshots(stripe)) == 1, "the account hears nothing any more"


async def test_two_rolls_at_once_leave_an_endpoint_at_stripe(
    runtime: Runtime, by: Author, account: Account, stripe: StripeAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second one removes what the first has made, and the first then retires what the second has made."""
    await set_up(runtime, by, "eu")
    meanwhile(monkeypatch, "create", lambda: set_up(runtime, by, "eu", roll=True))
    await set_up(runtime, by, "eu", roll=True)
    await endpoint_rows.retire_due(runtime, await business_now() + DAY)
    assert len(snapshots(stripe)) == 1, "the account hears nothing any more"


async def test_a_set_up_that_has_looked_before_another_made_one_keeps_its_secret(
    runtime: Runtime, by: Author, account: Account, stripe: StripeAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lists what is at Stripe; B makes an endpoint and commits its secret; A finds B's row, which is not in its list,
    and forgets it with its secret: what Stripe sends there is refused, and a refusing endpoint holds up billing."""
    meanwhile(monkeypatch, "listed", lambda: set_up(runtime, by, "eu"))
    await set_up(runtime, by, "eu")
    assert signing(stripe) <= await secrets(runtime), "Stripe signs with a secret that was thrown away"


async def test_what_could_not_be_committed_does_not_stay_at_stripe(
    runtime: Runtime, by: Author, account: Account, stripe: StripeAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database goes away between the call and the commit: an endpoint sends whose secret nobody has; each delivery
    is refused, and an endpoint that refuses invoice.created holds up finalization for three days."""

    async def away(*_: Any, **__: Any) -> None:
        raise ConnectionResetError("the database is away")

    monkeypatch.setattr(endpoint_rows, "put", away)
    with pytest.raises(ConnectionResetError):
        await set_up(runtime, by, "eu")
    assert not [one for one in stripe.webhook_endpoints.values() if one["status"] == "enabled"]


async def test_our_own_secret_is_no_sign_that_one_made_by_hand_is_let_in(
    runtime: Runtime, by: Author, account: Account, stripe: StripeAccount
) -> None:
    """The only secret is that of the destination that we made beside: it says nothing of one that somebody made by
    hand at our address. Adopted, it is the one that serves, and all that it sends is refused: events are lost."""
    await set_up(runtime, by, "eu")
    stripe.webhook_endpoints.clear()
    await made_by_hand(stripe, runtime)
    done = (await set_up(runtime, by, "eu")).done
    assert done.get("we_1byhand") is None, done
    kept = await secrets(runtime)
    assert any(one["_secret"] in kept for one in stripe.webhook_endpoints.values()), "nothing that it sends is let in"


async def test_a_key_of_another_stripe_account_is_refused_though_nobody_has_checked_the_first(
    runtime: Runtime, by: Author, account: Account, stripe: StripeAccount
) -> None:
    """Law 11: whose the first key is, only a check by hand notes. Until then another business's key is taken, beside
    the first one's invoices, customers and subscriptions."""
    now = await business_now()
    await sql.rows(
        "insert into tollbridge.customer (account, id, created_at) values ($1, 'cus_of_the_first', $2)", account.id, now
    )
    with pytest.raises(FieldError, match="api_key"):
        await accounts.update(runtime.keyring, by, account.id, AccountChange(api_key=Secret("sk_test_anothers")))


async def test_the_stored_key_is_not_sent_to_another_address(
    runtime: Runtime, by: Author, account: Account, sandbox: Any, stripe: StripeAccount
) -> None:
    """Law 12: an admin key of the account sets `api_base` alone and asks for a check: the stored key goes there."""
    heard: list[str] = []

    async def elsewhere(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            heard.extend(value.decode() for name, value in scope["headers"] if name == b"authorization")
            headers = [(b"content-type", b"application/json")]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": "http.response.body", "body": b'{"id": "acct_1"}'})

    async with serving(elsewhere) as url:
        with suppress(FieldError):
            await accounts.update(runtime.keyring, by, account.id, AccountChange(api_base=url))
            await stripe_key.check(runtime, by, account.id)
    assert heard == []


async def test_pruning_by_a_file_keeps_the_secret_of_the_endpoint_that_we_have_made(
    runtime: Runtime,
    by: Author,
    account: Account,
    stripe: StripeAccount,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The file still names the secret of the days before `setup-webhook`, whose own stands in no file and can't: with
    `--prune` it is deleted, and from then on every event of Stripe's is refused."""
    await set_up(runtime, by, "eu")
    monkeypatch.setenv("OLD_SECRET", "whsec_of_the_days_before")
    document = Document([AccountEntry("eu", webhook_secrets=["env:OLD_SECRET"])])
    await apply(runtime, by, document, beside=tmp_path, prune=True)
    assert signing(stripe) <= await secrets(runtime), "nothing that Stripe sends is let in any more"


async def test_an_endpoint_of_another_installation_is_not_deleted(
    runtime: Runtime, by: Author, account: Account, stripe: StripeAccount
) -> None:
    """Metadata is a hint (law 11): a copy of the database elsewhere (a rehearsed restore, a stage) has the account's
    id, and takes the endpoint that production has made since for a lost one of its own, though it sends elsewhere."""
    endpoint = await made_by_hand(stripe, runtime)
    endpoint |= {"url": "https://production.example/webhooks/stripe/eu", "metadata": {"tollbridge_account": account.id}}
    await set_up(runtime, by, "eu")
    assert "we_1byhand" in snapshots(stripe)


@pytest.mark.parametrize("how", ["deleted at Stripe", "disabled at Stripe", "its secret retired here"])
async def test_the_old_endpoint_stays_where_the_new_one_does_not_serve(
    runtime: Runtime, by: Author, account: Account, stripe: StripeAccount, how: str
) -> None:
    """A day after a roll the old endpoint is removed without a look at what took its place: nothing comes any more."""
    await set_up(runtime, by, "eu")
    [old] = snapshots(stripe)
    await set_up(runtime, by, "eu", roll=True)
    [new] = snapshots(stripe) - {old}
    if how == "deleted at Stripe":
        stripe.webhook_endpoints.pop(new)
    elif how == "disabled at Stripe":
        stripe.webhook_endpoints[new]["status"] = "disabled"
    else:
        row = await sql.row("select secret from tollbridge.stripe_endpoint where id = $1", new)
        assert row is not None
        await webhook_secrets.retire(by, account.id, row["secret"])
    await endpoint_rows.retire_due(runtime, await business_now() + DAY)
    assert old in snapshots(stripe)
