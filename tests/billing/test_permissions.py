"""The table of permissions names every operation that we call, and nothing else."""

from __future__ import annotations

import re
from pathlib import Path

import gateway.billing
from gateway.billing.pace import operation
from gateway.billing.permissions import LABELS, OPERATIONS, Level, Resource, least, permission_of
from gateway.doctor.permissions import PROBES
from gateway.inbox.table import FETCH
from gateway.sandbox.stripe.permissions import RESOURCES, resource_of

GATEWAY = Path(gateway.billing.__file__).parents[1]
PATH = re.compile(r"""f?"(/v[12]/[a-z_/{}.]+)["/]""")
ELSEWHERE = ("accounts/stripe_key.py",)
"""Who gives a path of Stripe's to the client, besides `billing`."""


def paths_in_the_code() -> set[str]:
    files = [*(GATEWAY / "billing").glob("*.py"), *(GATEWAY / name for name in ELSEWHERE)]
    sources = [file.read_text() for file in files if file.name not in ("permissions.py", "webhook_endpoints.py")]
    found = {path for source in sources for path in PATH.findall(source)}
    return {re.sub(r"\{[^}]*\}", "{id}", path) for path in found} | {path.format("{id}") for path in FETCH.values()}


def test_every_path_that_the_code_asks_for_is_in_the_table_and_no_other() -> None:
    table = {one.partition(" ")[2] for one, resource in OPERATIONS.items() if resource is not Resource.WEBHOOK}
    assert paths_in_the_code() == table


def test_an_operation_is_written_as_calls_are_counted() -> None:
    for one in OPERATIONS:
        method, path = one.split(" ")
        assert operation(method, path.replace("{id}", "in_1")) == one


def test_the_local_stripe_asks_for_the_same_permissions() -> None:
    for one, resource in OPERATIONS.items():
        assert resource_of(one.partition(" ")[2]) == resource, one
    assert set(Resource) - {Resource.TAX_ID} <= RESOURCES, "it has no tax ids"
    assert set(LABELS) == set(Resource)


def test_the_least_is_the_highest_level_of_each_resource() -> None:
    levels = {one.resource: one.level for one in least()}
    assert levels[Resource.INVOICE] is Level.WRITE, "though most of its calls only read"
    assert levels[Resource.EVENT] is Level.READ
    assert Resource.WEBHOOK not in levels
    commands = {one.name for one in least(for_commands=True)}
    assert commands == {"rak_plan_write", "rak_product_write", "rak_webhook_write"}
    assert permission_of("POST /v1/invoices/{id}/pay") == "Invoices: write (rak_invoice_write)"


def test_the_doctor_has_a_probe_for_each_that_every_day_takes() -> None:
    assert {one.resource for one in least()} == set(PROBES)
    for one in least():
        probe = PROBES[one.resource]
        assert resource_of(probe.path) == one.resource
        assert (probe.method == "get") is (one.level is Level.READ), "a read proves no permission to write"
