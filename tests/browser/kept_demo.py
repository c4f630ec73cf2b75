"""`tollbridge demo --keep`, and its console's people: how they sign in, each with the codes of a phone of their own."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pyotp
from playwright.async_api import Page

STOP_S = 90
STEP_S = 30

Look = Callable[[str], Awaitable[None]]


class Line(msgspec.Struct):
    """An invoice of the play."""

    invoice: str
    number: str
    payer: str


class Person(msgspec.Struct):
    """A user whose password was printed. `phone` is what an app keeps once it was set up."""

    email: str
    password: str
    role: str
    phone: str = ""


class Said(msgspec.Struct):
    """The demo's last line."""

    addresses: dict[str, str]
    console_users: list[Person]
    lines: list[Line]


@dataclass
class Demo:
    """The demo while it runs."""

    said: Said

    @property
    def console(self) -> str:
        return self.said.addresses["console"]

    @property
    def account(self) -> str:
        """Where the account's pages stand."""
        return f"{self.console}/a/dev"

    def person(self, role: str) -> Person:
        return next(one for one in self.said.console_users if one.role == role)

    def renewal_of(self, payer: str) -> Line:
        """The last invoice of somebody in the play, which is paid."""
        return [one for one in self.said.lines if one.payer.startswith(payer)][-1]

    def worth_a_look(self) -> list[str]:
        """The invoices that are being recovered, and the form by which a paid one is refunded."""
        paid = self.renewal_of("Ada").invoice
        return [f"{self.account}/invoices?state=retrying", f"{self.account}/refunds/new?invoice={paid}"]

    async def sign_in(self, page: Page, role: str, look: Look | None = None) -> None:
        """With the password and a code; the first time the phone is set up. `look` is shown each page on the way."""
        person = self.person(role)
        await page.goto(self.console)
        await _seen(look, "sign-in")
        await page.get_by_label("Mail address").fill(person.email)
        await page.get_by_label("Password").fill(person.password)
        await page.get_by_role("button", name="Sign in").click()
        await page.wait_for_url("**/sign-in/*")
        await self.enter_code(page, role, look)

    async def enter_code(self, page: Page, role: str, look: Look | None = None) -> None:
        """On the page that asks for a code."""
        if page.url.partition("?")[0].endswith("/enrol"):
            self.person(role).phone = await page.locator("code").inner_text()
            await _seen(look, "sign-in-enrol")
            code = pyotp.TOTP(self.person(role).phone).now()
        else:
            await _seen(look, "sign-in-code")
            code = self.next_code(role)
        await page.locator("input[name=code]").fill(code)
        await page.locator("main button").click()
        await page.wait_for_url(f"{self.console}/a/**")

    def next_code(self, role: str) -> str:
        """Each code counts once: the one after that by which the phone was set up, which is in time as well."""
        return pyotp.TOTP(self.person(role).phone).at(int(time.time()) + STEP_S)


async def _seen(look: Look | None, name: str) -> None:
    if look is not None:
        await look(name)


@contextmanager
def kept_demo(**settings: str) -> Iterator[Demo]:
    """Play it, and keep it running; everybody needs a second factor, as in production."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TOLLBRIDGE_")}
    with tempfile.TemporaryDirectory(prefix="tollbridge-browser-") as home:
        # The account that runs PostgreSQL must pass through it, where that is not ours.
        Path(home).chmod(0o755)
        variables: dict[str, Any] = {"TOLLBRIDGE_HOME": home, "TOLLBRIDGE_CONSOLE_SECOND_FACTOR": "required"}
        process = subprocess.Popen(
            [sys.executable, "-m", "gateway.cli", "demo", "--keep", "--json"],
            env=kept | variables | settings,
            stdout=subprocess.PIPE,
        )
        try:
            yield Demo(_said(process))
        finally:
            process.terminate()
            process.communicate(timeout=STOP_S)


def _said(process: subprocess.Popen[bytes]) -> Said:
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith(b"{"):
            return msgspec.json.decode(line, type=Said)
    raise AssertionError("the demo ended before it said where it is")
