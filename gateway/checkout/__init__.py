"""Checkout: from a plan to a paid first invoice.

A session is a row that `advance` works on like an invoice: its customer, subscription and draft are made at Stripe by
the worker under keys that derive from its id, so a repeat, a crash or a second request makes nothing twice. The API
stores intents, pokes and waits on the row; `sessions` holds what it calls:

    open_session, get_session, find_session     the row, by request, id or client secret
    begin_setup                                 what the frontend needs to collect a payment method
    confirm                                     the intent to pay; the worker stores the method, finalizes, collects
    change                                      address, tax location, promotion code: the amounts change, from Stripe
    wait_for                                    until the session rests, or the time is over
"""
