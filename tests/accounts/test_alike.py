"""What can be set of an account or a connection can be set by the command line, the API and a file alike."""

from __future__ import annotations

from collections.abc import Iterable

import click
import pytest

from gateway.accounts.accounts import AccountChange
from gateway.accounts.apply import AccountEntry, ConnectionEntry
from gateway.accounts.connections import ConnectionChange
from gateway.api.accounts import AccountUpdate, NewAccount
from gateway.api.connections import ConnectionUpdate, NewConnection
from gateway.cli.accounts import accounts
from gateway.cli.connections import connections
from gateway.cli.context import OPTIONS

AN_ACCOUNT = {*AccountChange.__struct_fields__, "webhook_secrets"}
A_CONNECTION = {*ConnectionChange.__struct_fields__}
ROLLED = {"--add-webhook-secret": "--webhook-secret"}
"""Of secrets there are several: an update adds one."""


def fields(command: click.Command) -> set[str]:
    """What a command sets, in the API's words."""
    names = {option: field for field, option in OPTIONS.items()}
    options = [ROLLED.get(name, name) for one in command.params for name in one.opts]
    return {names.get(name, name.removeprefix("--").replace("-", "_")) for name in options} | {
        one.name or "" for one in command.params
    }


@pytest.mark.parametrize(
    ("wanted", "there"),
    [
        (AN_ACCOUNT, NewAccount.__struct_fields__),
        (AN_ACCOUNT - {"webhook_secrets"}, AccountUpdate.__struct_fields__),
        (AN_ACCOUNT, AccountEntry.__struct_fields__),
        (AN_ACCOUNT, fields(accounts.commands["add"])),
        (AN_ACCOUNT, fields(accounts.commands["update"])),
        (A_CONNECTION, NewConnection.__struct_fields__),
        (A_CONNECTION, ConnectionUpdate.__struct_fields__),
        (A_CONNECTION, ConnectionEntry.__struct_fields__),
        (A_CONNECTION, fields(connections.commands["add"])),
        (A_CONNECTION, fields(connections.commands["update"])),
    ],
)
def test_every_field_can_be_set_everywhere(wanted: set[str], there: Iterable[str]) -> None:
    assert wanted - set(there) == set()
