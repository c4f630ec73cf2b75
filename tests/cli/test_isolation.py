"""`--account`: a command that names another account's object finds nothing, whatever it would do to it."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module

import click
import pytest

from db.encryption import Keyring
from gateway.accounts import accounts
from gateway.accounts.audit import Author
from gateway.cli import COMMANDS
from gateway.runtime import running
from gateway.settings import Settings
from processors.values import Secret
from tests.api.seed import Seeded, seed
from tests.cli.conftest import KEYS, Tollbridge
from tests.support.tenants import rows_of

OF = ("invoices", "subscriptions", "refunds", "credit-notes", "disputes", "connections", "keys", "events", "webhooks")
LISTS = [
    *[(name, "list") for name in (*OF, "inbox", "cases", "usage")],
    ("export", "journal", "--from", "2027-01-01", "--to", "2027-12-31"),
]
NAMED = {
    "attempt": "attempt",
    "break": "reconciliation_break",
    "break_": "reconciliation_break",
    "case": "case",
    "connection": "connection",
    "customer": "customer",
    "delivery": "delivery",
    "dispute": "dispute",
    "endpoint": "endpoint",
    "event": "event",
    "invoice": "invoice",
    "key": "key",
    "method": "method",
    "name": "connection",
    "note": "note",
    "refund": "refund",
    "subscription": "subscription",
}
"""Which object an argument of this name is."""
NO_OBJECT = {("connections", "add"), ("keys", "create")}
FILLED = {
    "--reason": "because",
    "--source": "credits",
    "--reference": "r",
    "--received": "2027-03-01",
    "--until": "2099-01-01",
    "--owner": "ada",
}

MORE = {("credit-notes", "resolve"): ("--send",)}


def commands() -> Iterator[tuple[str, ...]]:
    """Every command that works on one object of an account, with the words that lead to it."""

    def walk(words: tuple[str, ...], command: click.Command) -> Iterator[tuple[tuple[str, ...], click.Command]]:
        if isinstance(command, click.Group):
            for name, one in command.commands.items():
                yield from walk((*words, name), one)
        else:
            yield words, command

    for name, place in COMMANDS.items():
        module, _, attribute = place.partition(":")
        for words, command in walk((name,), getattr(import_module(module), attribute)):
            if any("--account" in one.opts for one in command.params) and words[:2] not in NO_OBJECT:
                yield from _asked(words, command)


def _asked(words: tuple[str, ...], command: click.Command) -> Iterator[tuple[str, ...]]:
    arguments = [one for one in command.params if isinstance(one, click.Argument)]
    if len(arguments) == 1 and arguments[0].name in NAMED:
        needed = [one for one in command.params if isinstance(one, click.Option) and one.required]
        filled = [word for option in needed for word in (option.opts[0], _filled(option))]
        yield (*words, f"<{arguments[0].name}>", *filled, *MORE.get(words, ()))


def _filled(option: click.Option) -> str:
    """A value that the option takes."""
    if isinstance(option.type, click.Choice):
        return str(option.type.choices[-1])
    return FILLED.get(option.opts[0], "x")


EVERY = list(commands())


def test_these_are_commands_that_work_on_something_of_an_accounts() -> None:
    found = {" ".join(words[:2]) for words in EVERY}
    assert {"invoices show", "customers show", "refunds show", "connections show", "cases close"} <= found
    assert len(found) > 20


@pytest.fixture
async def theirs(tollbridge: Tollbridge, database: str) -> Seeded:
    """One of everything, of the account `theirs`; the account `ours` has as much."""
    keyring = Keyring.parse(KEYS["TOLLBRIDGE_ENCRYPTION_KEYS"], KEYS["TOLLBRIDGE_TOKEN_HASH_KEY"])
    async with running(Settings(), keyring) as runtime:
        for name in ("ours", "theirs"):
            added = await accounts.add(keyring, Author("test"), name, Secret(f"sk_test_{name}"))
            seeded = await seed(runtime, added.id)
    return seeded


def shown_of(theirs: Seeded, text: str, typed: tuple[str, ...] = ()) -> list[str]:
    return [one for one in vars(theirs).values() if one in text and not any(one in word for word in typed)]


@pytest.mark.slow
async def test_another_accounts_objects_are_found_by_no_command(tollbridge: Tollbridge, theirs: Seeded) -> None:
    before = await rows_of(theirs.account)
    for words in EVERY:
        typed = tuple(getattr(theirs, NAMED[word[1:-1]]) if word.startswith("<") else word for word in words)
        result = await tollbridge(*typed, "--account", "ours")
        assert (result.code, result.err[:10]) == (1, "Error: no "), (words, result.err)
        assert not shown_of(theirs, result.out, typed), (words, result.out)
    assert await rows_of(theirs.account) == before


@pytest.mark.slow
@pytest.mark.parametrize("words", LISTS, ids=" ".join)
async def test_a_list_shows_nothing_of_another_account(
    tollbridge: Tollbridge, theirs: Seeded, words: tuple[str, ...]
) -> None:
    result = await tollbridge(*words, "--account", "ours")
    assert result.code == 0, result.err
    assert not shown_of(theirs, result.out)
