"""An adapter in a package of its own, installed beside Tollbridge: the gateway, its commands and the kit find it."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import KEYS, environment

PACKAGE = Path(__file__).parent / "example_package"
ROOT = Path(__file__).parents[2]
NO_NETWORK = ("--no-deps", "--no-build-isolation", "--no-index", "--quiet", "--disable-pip-version-check")

KIT = (
    *("-m", "pytest", "-q", "-c", os.devnull, "-p", "no:cacheprovider"),
    *("-p", "pytest_asyncio.plugin", "-p", "processors.conformance.plugin", "--pyargs"),
)
"""The kit as an author runs it, with no settings of this project and none of the plugins that its tests use."""

FOUND = """
from gateway.connections import adapter_class, adapter_classes
from processors.conformance.discovery import installed
print(*sorted(adapter_classes()), adapter_class("acme").__module__, *[one.name for one in installed()])
"""


async def execute(*arguments: str, **variables: str) -> tuple[int, str]:
    """A process of the same Python; its exit code and all that it said."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *arguments,
        cwd=ROOT,
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", **variables},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await asyncio.wait_for(process.communicate(), 100)
    return process.returncode or 0, said.decode()


@pytest.fixture(scope="module")
async def installed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The package, built and installed into a folder of its own; the environment in which Python finds it."""
    folder = tmp_path_factory.mktemp("installed")
    source = folder / "source"
    shutil.copytree(PACKAGE, source, ignore=shutil.ignore_patterns("__pycache__"))
    target = folder / "target"
    code, said = await execute("-m", "pip", "install", *NO_NETWORK, "--target", str(target), str(source))
    assert code == 0, said
    return {"PYTHONPATH": os.pathsep.join((str(target), str(ROOT)))}


async def test_the_gateway_and_the_kit_find_it(installed: dict[str, str]) -> None:
    code, said = await execute("-c", FOUND, **installed)
    assert code == 0, said
    words = said.split()
    assert {"acme", "practice"} <= set(words)
    assert "acme_tollbridge.client" in words
    assert words.count("acme") == 2, "once as an adapter, once as a subject"


async def test_a_connection_of_it_is_added_by_command(
    installed: dict[str, str], database_url: str, database: str, tmp_path: Path
) -> None:
    secret = {"STRIPE_KEY": "sk_test_made_up", "API_KEY": "acme_made_up", "SIGNING": "acme_made_up_too"}
    settings = environment(tmp_path, **KEYS, **installed, **secret, TOLLBRIDGE_DATABASE_URL=database_url)

    async def tollbridge(*arguments: str) -> tuple[int, str]:
        return await execute("-m", "gateway.cli", *arguments, **settings)

    code, said = await tollbridge("accounts", "add", "eu", "--stripe-key", "env:STRIPE_KEY")
    assert code == 0, said
    code, said = await tollbridge(
        "connections", "add", "acme-eu", "--adapter", "acme", "--json",
        "--option", "environment=test", "--option", "account=acc_1",
        "--credential", "api_key=env:API_KEY", "--credential", "webhook_secret=env:SIGNING",
    )  # fmt: skip
    assert code == 0, said
    assert '"acme"' in said
    assert "made_up" not in said


async def test_it_passes_the_kit(installed: dict[str, str], tmp_path: Path) -> None:
    """As its author runs it: from another folder, with that folder's settings, and found by its entry point alone.

    A part of it: `scripts/test conformance` plays the rest.
    """
    arguments = ("processors.conformance", "-k", "acme and (charge or notice)", "--rootdir", str(tmp_path))
    code, said = await execute(*KIT, *arguments, **installed)
    assert code == 0, said[-3000:]
    assert " passed" in said
    assert "failed" not in said
