"""The console's own: who signs in, what they may do in which account, their sessions and the searches they keep."""

from __future__ import annotations

from piccolo.columns import BigInt, Boolean, Bytea, Integer, Text
from piccolo.table import Table

from db.engine import DB
from db.tables.columns import SCHEMA, at, blob


class ConsoleUser(Table, tablename="console_user", schema=SCHEMA, db=DB):
    id = Text(primary_key=True)
    email = Text()
    name = Text()
    password = Text()
    password_from = Text()
    totp_secret = blob()
    totp_step = BigInt()
    codes_wrong = Integer()
    oidc_issuer = Text()
    oidc_subject = Text()
    invitation_hash = blob()
    invited_until = at()
    invited_from = Text()
    created_at = at()
    disabled_at = at()
    disabled_from = Text()


class ConsoleRole(Table, tablename="console_role", schema=SCHEMA, db=DB):
    console_user = Text(primary_key=True)
    account = Text()
    role = Text()


class ConsoleSession(Table, tablename="console_session", schema=SCHEMA, db=DB):
    id = Text(primary_key=True)
    console_user = Text()
    hash = Bytea()
    stage = Text()
    manner = Text()
    totp_secret = blob()
    agent = Text()
    address = Text()
    made_at = at()
    seen_at = at()
    expires_at = at()
    ended_at = at()


class ConsoleThrottle(Table, tablename="console_throttle", schema=SCHEMA, db=DB):
    key = Bytea(primary_key=True)
    tries = Integer()
    since = at()


class ConsoleView(Table, tablename="console_view", schema=SCHEMA, db=DB):
    id = Text(primary_key=True)
    account = Text()
    console_user = Text()
    page = Text()
    name = Text()
    query = Text()
    shared = Boolean(default=False)
    created_at = at()
