"""Customers of an account, the payment methods that they keep at processors, and tokens that show an organization its
own."""

from __future__ import annotations

from piccolo.columns import JSONB, Boolean, Bytea, Integer, Text
from piccolo.table import Table

from db.engine import DB
from db.tables.columns import SCHEMA, Pokable, at, blob, optional_text


class Customer(Table, tablename="customer", schema=SCHEMA, db=DB):
    id = Text(primary_key=True)
    account = Text()
    opted_out = Boolean(default=False)
    collection = optional_text()
    deleted_at = at()
    erase_asked_at = at()
    erased_at = at()
    may_be_deleted = Boolean(default=False)
    created_at = at()


class CustomerWord(Table, tablename="customer_word", schema=SCHEMA, db=DB):
    word = Text(primary_key=True)
    account = Text()
    customer = Text()


class PaymentMethod(Pokable, tablename="payment_method", schema=SCHEMA, db=DB):
    id = Text(primary_key=True)
    account = Text()
    customer = Text()
    connection = Text()
    reference = blob()
    token_hash = Text()
    vault_hash = Text()
    card = JSONB()
    fingerprint = Text()
    status = Text()
    position = Integer()
    stopped_reason = Text()
    standing_at = at()
    created_at = at()
    revoked_at = at()
    ended_by_payer = Boolean(default=False)
    end_answered = Boolean(default=True)
    revoke_asked_at = at()
    deletions = Integer(default=0)
    told_stripe = Boolean(default=True)
    retiring = Boolean(default=False)
    alone = Boolean(default=False)


class CollectionPause(Table, tablename="collection_pause", schema=SCHEMA, db=DB):
    object = Text(primary_key=True)
    account = Text()
    reason = Text()
    paused_by = Text()
    paused_at = at()
    until_at = at()


class OrganizationToken(Table, tablename="organization_token", schema=SCHEMA, db=DB):
    id = Text(primary_key=True)
    account = Text()
    customer = Text()
    subscription = Text()
    hash = Bytea()
    return_url = Text()
    made_at = at()
    expires_at = at()
