"""Subscriptions: how each ends, who collects it, and what it opens.

What somebody wants of one is a row, and Stripe is told of it in the subscription's own turn, whose rule is
`domain/subscription.py`.

    advance                     the turn: wishes, reading, and telling the merchant of access
    cancel                      ending it, now or with its period, and taking that back
    switch, stripe_method       who collects it, or what with; the payment method that Stripe is to charge
    access, disputed            what it gives, by its invoices and by disputes over them
    known, errors               the row that somebody names
"""
