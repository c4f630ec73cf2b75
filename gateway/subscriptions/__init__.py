"""Subscriptions: how each ends, and who collects it.

What somebody wants of one is a row, and Stripe is told of it in the subscription's own turn, whose rule is
`domain/subscription.py`.

    advance                     the turn: wishes, reading, and letting access be worked out
    cancel                      ending it, now or with its period, and taking that back
    switch, stripe_method       who collects it, or what with; the payment method that Stripe is to charge
    trials                      telling the merchant that one ends
    known, errors               the row that somebody names
"""
