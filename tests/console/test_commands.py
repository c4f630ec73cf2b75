"""What the doctor would have somebody do at the command line, told to people at a page."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

from gateway.console.commands import COMMAND, with_pages
from gateway.console.desk import Desk
from gateway.domain.roles import Role
from gateway.users.sessions import Manner, Seat, Session, Stage


def desk(role: Role) -> Desk:
    seat = Seat("acc_1", "dev", False, True, role)
    expires = datetime(2030, 1, 1, tzinfo=UTC)
    session = Session(
        "ses_1", Stage.COMPLETE, Manner.PASSWORD, "usr_1", "Ada", "ada@example.com", (seat,), "proof", expires
    )
    return Desk(session, seat)


def test_a_command_becomes_the_button_that_stands_for_it() -> None:
    told = with_pages(desk(Role.ADMIN), "compare <it>: tollbridge accounts update dev --add-webhook-secret; or wait")
    assert told == ('compare &lt;it&gt;: <a href="/console/a/dev/settings/account">“Add the secret”</a>; or wait')


def test_nobody_is_led_to_what_is_forbidden_to_them() -> None:
    told = with_pages(desk(Role.SUPPORT), "mend it, then `tollbridge webhooks update --enable`")
    assert told == "mend it, then the webhook endpoints (needs the role admin)"


def test_a_command_that_no_page_stands_for_is_shown_as_one() -> None:
    told = with_pages(desk(Role.ADMIN), "see why (tollbridge doctor), then run: tollbridge catch-up")
    assert "<code>tollbridge catch-up</code>" in told
    assert '<a href="/console/a/dev/settings/doctor">the doctor</a>' in told


SAID = re.compile(r'tollbridge [^"\n]+')
"""As it stands in the code, to the end of the text."""


def test_every_command_that_the_doctor_names_is_known() -> None:
    files = [*Path("gateway/doctor").glob("*.py"), *Path("gateway/domain").glob("doctor*.py")]
    named = [said for one in files for said in SAID.findall(one.read_text("utf-8").partition("\nfrom __future__")[2])]
    assert len(named) > 20
    filled = [one.replace("{ACCOUNT}", "dev").replace("{room}", "invoices") for one in named]
    assert [one for one in filled if not COMMAND.match(one)] == []
