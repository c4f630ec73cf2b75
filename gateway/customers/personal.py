"""What each table holds of a person, and what becomes of it once that person is erased.

Ids, amounts, states, times and movements stay: the books, refunds and disputes need them, and tax law wants them kept.

    account, stripe_budget, webhook_secret, stripe_endpoint, connection, api_key, webhook_endpoint,
    webhook_endpoint_secret, circuit, worker, downtime, business_clock, catch_up, settlement_format, settlement_file,
    usage_stream, meter, refused_delivery, rehearsal, console_user, console_role, console_session, console_throttle
                            the merchant's and ours; nothing of a customer
    customer                its id, and when it was erased: else a later event would bring it back
    customer_word           the words of its names go
    subscription            ids, status and times stay
    cancellation            the comment, which somebody wrote, goes
    access_grant            the reason, which somebody wrote, goes
    switch, hand_over       ids; Stripe's words of why it did not take over
    payment_method          the reference goes with its deletion at the processor; card and bank details, and with them
                            the fingerprint, go. The keyed hashes of the token stay: a late notice is known by them
    invoice                 the snapshot keeps what money and books need (`billing/impersonal.py`); the mail's hash goes
    attempt                 processor ids, codes and amounts stay; the processor's message and the payer's page go. The
                            card's fingerprint stays only where the bank has said "never again", for whoever has it
    recording, remainder, carry, settlement_row
                            ids, amounts and the texts of products
    credit_note             what was written for the customer goes, also out of what Stripe was asked for
    refund, refund_part     what was written for the customer or about it, and the processor's message, go
    dispute                 the processor's reason, ids and amounts stay: it may be reopened
    movement                append-only: ids and amounts; of a payment by hand also its reference, which finance typed
    checkout_session        details, address, attributes and metadata of the request, and the country, go
    payment_method_session  return address, country and attributes go
    organization_token      deleted, and with it the return address; one that is made later, a day after it has expired
    payment_setup           what the browser was given goes; what the processor calls it is encrypted
    delivery                bodies that name the customer, or anything of it, go, and so do those that come later and
                            are about it; a replay of one is ignored. What comes later and pokes nothing, and later
                            notices of processors, go after 35 days as all do, or when erasing is asked for again
    outbound_sequence       ids
    outbound_event          bodies go down to the object's id, once they are delivered
    event_delivery          our own words
    review_case, case_note  texts that hold a name, mail, address or the like go
    collection_pause        the reason, which somebody wrote, goes
    idempotent_reply        bodies that name the customer go, and the reply itself stays until its day is over: without
                            it the same request would be carried out twice
    audit_log               append-only: who did what, and the reason that they gave, for as long as there is an account
    console_view            kept searches for the customer, or for anything of it, go
    reconciliation, reconciliation_break
                            ids and amounts
    usage_event             ids, values and times: what was billed rests on them. The identifiers are the merchant's
    the queue               ids
"""

from __future__ import annotations

from typing import Final

INVOICES: Final = "select i.id from tollbridge.invoice i where i.account = $1 and i.customer = $2"
ERASED_TEXT: Final = "(erased)"

BEFORE_INVOICES: Final = (
    f"""
    update tollbridge.attempt set message = '', action_url = '',
        fingerprint = case when advice = 'never' then fingerprint else '' end
    where account = $1 and resolved_at is not null and invoice in ({INVOICES})
    """,  # noqa: S608 (constants of ours)
    f"""
    update tollbridge.refund_part set message = ''
    where account = $1 and state in ('succeeded', 'failed', 'refused') and refund in (
        select f.id from tollbridge.refund f where f.account = $1 and f.invoice in ({INVOICES}))
    """,  # noqa: S608 (constants of ours)
    """
    update tollbridge.checkout_session
    set country = '', request = request - 'customer_details' - 'attributes' - 'metadata'
    where account = $1 and customer = $2
    """,
    """
    update tollbridge.payment_method_session set return_url = '', country = '', attributes = '{}'
    where account = $1 and customer = $2 and state in ('complete', 'expired')
    """,
    """
    update tollbridge.payment_setup set client = null where account = $1 and state <> 'open' and (
        checkout_session in (select id from tollbridge.checkout_session where account = $1 and customer = $2)
        or payment_method_session in (
            select id from tollbridge.payment_method_session where account = $1 and customer = $2))
    """,
    "update tollbridge.payment_method set card = '{}' where account = $1 and customer = $2 and status = 'revoked'",
    """
    update tollbridge.cancellation set comment = '' where account = $1 and comment <> '' and state <> 'wanted'
      and subscription in (select id from tollbridge.subscription where account = $1 and customer = $2)
    """,
    f"""
    update tollbridge.access_grant set reason = '{ERASED_TEXT}' where account = $1
      and subscription in (select id from tollbridge.subscription where account = $1 and customer = $2)
    """,  # noqa: S608 (constants of ours)
)
"""Over account and customer, in the order of locks. What is under way keeps what it needs, and is erased when this is
asked for again."""
AFTER_INVOICES: Final = (
    "delete from tollbridge.customer_word where account = $1 and customer = $2",
    f"""
    update tollbridge.credit_note set memo = '',
        params = case when params = '' then '' else (params::jsonb - 'memo' - 'metadata')::text end
    where account = $1 and state in ('issued', 'void', 'refused') and invoice in ({INVOICES})
    """,  # noqa: S608 (constants of ours)
    f"""
    update tollbridge.refund set memo = '', note = '', message = ''
    where account = $1 and state in ('succeeded', 'recorded', 'failed', 'refused') and invoice in ({INVOICES})
    """,  # noqa: S608 (constants of ours)
    f"""
    update tollbridge.outbound_event e set data = jsonb_build_object('object', e.object_kind, 'id', e.object)
    where e.account = $1 and e.object in (
            {INVOICES}
            union all select id from tollbridge.subscription where account = $1 and customer = $2
            union all select id from tollbridge.payment_method where account = $1 and customer = $2
            union all select d.id from tollbridge.dispute d where d.account = $1 and d.invoice in ({INVOICES}))
      and not exists (select 1 from tollbridge.event_delivery d where d.event = e.id and d.state = 'pending')
    """,  # noqa: S608 (constants of ours)
    f"""
    update tollbridge.collection_pause set reason = '{ERASED_TEXT}'
    where account = $1 and (object = $2 or object in ({INVOICES}))
    """,  # noqa: S608 (constants of ours)
)
