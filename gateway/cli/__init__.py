"""The command line: `tollbridge COMMAND`. Every command has `--json`; errors are one line on standard error.

Exit code 0 is success, 1 a failure, 2 a wrong use (click's own, and values that can't be). Commands are loaded when
they are used, so that none pays for another's imports.
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import Final

import click

COMMANDS: Final = {
    "demo": "gateway.cli.demo:demo",
    "dev": "gateway.cli.dev:dev",
    "serve": "gateway.cli.serve:serve",
    "work": "gateway.cli.serve:work",
    "migrate": "gateway.cli.serve:migrate",
    "sandbox": "gateway.cli.sandbox:sandbox",
    "accounts": "gateway.cli.accounts:accounts",
    "connections": "gateway.cli.connections:connections",
    "keys": "gateway.cli.keys:keys",
    "users": "gateway.cli.users:users",
    "apply": "gateway.cli.apply:apply",
    "doctor": "gateway.cli.doctor:doctor",
    "customers": "gateway.cli.customers:customers",
    "subscriptions": "gateway.cli.subscriptions:subscriptions",
    "invoices": "gateway.cli.invoices:invoices",
    "refunds": "gateway.cli.refunds:refunds",
    "credit-notes": "gateway.cli.credit_notes:credit_notes",
    "disputes": "gateway.cli.disputes:disputes",
    "import": "gateway.cli.imports:import_",
    "catch-up": "gateway.cli.catch_up:catch_up",
    "reconcile": "gateway.cli.reconcile:reconcile",
    "export": "gateway.cli.export:export",
    "payment-methods": "gateway.cli.payment_methods:payment_methods",
    "usage": "gateway.cli.usage:usage",
    "events": "gateway.cli.events:events",
    "webhooks": "gateway.cli.webhooks:webhooks",
    "inbox": "gateway.cli.inbox:inbox",
    "cases": "gateway.cli.cases:cases",
    "audit": "gateway.cli.audit:audit",
}


class Commands(click.Group):
    """A group whose commands stand in other modules."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [name for name, place in COMMANDS.items() if find_spec(place.partition(":")[0])]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.list_commands(ctx):
            return None
        module, _, attribute = COMMANDS[cmd_name].partition(":")
        command: click.Command = getattr(import_module(module), attribute)
        return command


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="tollbridge", prog_name="tollbridge")
def main() -> None:
    """Stripe bills, any processor collects."""
