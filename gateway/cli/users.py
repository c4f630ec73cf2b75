"""`tollbridge users`: people who use the console."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from typing import Final

import click

from gateway.accounts.audit import Author
from gateway.cli.context import ACCOUNT, account_of, author, opened, run
from gateway.cli.output import ERR, OUT, as_json, say, say_all, table
from gateway.domain.roles import Role
from gateway.runtime import Runtime
from gateway.users import users as story
from gateway.users.users import User

ROLE = click.option(
    "--role",
    type=click.Choice([role.value for role in Role]),
    help="What they may do in the account; `tollbridge users --help` says more.",
)
FROM_STDIN = click.option("--password-stdin", is_flag=True, help="Read the password from standard input; no link.")


@click.group(epilog="\b\nRoles:\n" + "\n".join(f"  {role:<8} {role.means}" for role in Role))
def users() -> None:
    """People who use the console, and what they may do in which account. They are named by their mail address."""


@users.command()
@click.argument("email")
@click.option("--name", default="", help="What to call them; not needed for a user who is there.")
@ROLE
@FROM_STDIN
@ACCOUNT
@as_json
def add(email: str, name: str, role: str | None, password_stdin: bool, account: str, json_: bool) -> None:
    """Make a user, or give one another role, in an account; print the link by which a new one chooses a password."""
    if role is None:
        raise click.UsageError("give --role")
    password = sys.stdin.readline().rstrip("\n") if password_stdin else ""

    async def work() -> tuple[User, str]:
        async with opened() as runtime:
            owner = (await account_of(account)).id
            user = await story.add(author(), email, name or email.partition("@")[0])
            await story.give_role(author(), user.id, owner, Role(role))
            if password_stdin:
                await story.set_password(author(), user.id, password)
            by_link = user.waits and not password_stdin and not runtime.settings.oidc_only
            link = await _link(runtime, author(), user) if by_link else ""
            return await story.by_id(user.id), link

    _say_with_link(*run(work), json_)


@users.command()
@click.argument("email")
@FROM_STDIN
@as_json
def password(email: str, password_stdin: bool, json_: bool) -> None:
    """Print a link by which EMAIL chooses another password; or take one from standard input."""
    given = sys.stdin.readline().rstrip("\n") if password_stdin else ""

    async def work() -> tuple[User, str]:
        async with opened() as runtime:
            user = await story.by_email(email)
            if runtime.settings.oidc_only:
                raise click.ClickException("passwords are turned off: TOLLBRIDGE_OIDC_ONLY is true")
            if password_stdin:
                await story.set_password(author(), user.id, given)
                return user, ""
            return user, await _link(runtime, author(), user)

    _say_with_link(*run(work), json_)


@users.command(name="list")
@click.option("--account", default="", help="Only those with a role in this account.")
@as_json
def list_(account: str, json_: bool) -> None:
    """List users with their roles."""

    async def work() -> list[User]:
        async with opened():
            return await story.listed((await account_of(account)).id if account else "")

    found = run(work)
    rows = [(u.email, u.name, ", ".join(f"{a}: {r}" for a, r in u.roles.items()), _opens(u)) for u in found]
    say_all(found, json_, lambda: table(("mail", "name", "roles", "signs in with"), rows, "No users."))


@users.command(name="take-role")
@click.argument("email")
@ACCOUNT
@as_json
def take_role(email: str, account: str, json_: bool) -> None:
    """Take EMAIL's role in an account away: its pages are not found for them any more."""

    async def work() -> User:
        async with opened():
            user = await story.by_email(email)
            await story.take_role(author(), user.id, (await account_of(account)).id)
            return await story.by_id(user.id)

    changed = run(work)
    say(changed, json_, lambda: OUT.print(f"{changed.email} has no role there any more."))


Act = Callable[[Author, str], Awaitable[None]]
ACTS: Final[dict[str, tuple[Act, str, str]]] = {
    "disable": (story.disable, "Shut a user out of everything, now.", "can no longer sign in."),
    "enable": (story.enable, "Let a disabled user in again.", "can sign in again."),
    "reset-second-factor": (
        story.reset_second_factor,
        "For a phone that was lost: the user sets up another one.",
        "has no second factor any more, and is signed out everywhere.",
    ),
}


def _command(name: str, act: Act, meaning: str, done: str) -> click.Command:
    @users.command(name=name, help=meaning)
    @click.argument("email")
    @as_json
    def command(email: str, json_: bool) -> None:
        async def work() -> User:
            async with opened():
                user = await story.by_email(email)
                await act(author(), user.id)
                return await story.by_id(user.id)

        changed = run(work)
        say(changed, json_, lambda: OUT.print(f"{changed.email} {done}"))

    return command


for _name, (_act, _meaning, _done) in ACTS.items():
    _command(_name, _act, _meaning, _done)


async def _link(runtime: Runtime, by: Author, user: User) -> str:
    invitation = await story.invite(by, user.id)
    return invitation.link(runtime.settings.base_url)


def _say_with_link(user: User, link: str, json_: bool) -> None:
    def text() -> None:
        if link:
            OUT.print(link, markup=False, soft_wrap=True)
            ERR.print(f"For {user.email}: it works once, for three days, and is not shown again.")
        else:
            OUT.print(f"{user.email}: {', '.join(f'{a}: {r}' for a, r in user.roles.items())}")

    say({"user": user, "link": link or None}, json_, text)


def _opens(user: User) -> str:
    return user.signs_in_with if user.disabled_at is None else "disabled"
