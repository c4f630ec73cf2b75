"""Access: what a subscription opens, by its money or by hand.

money, disputed     what its invoices, and disputes over them, say; its rules are `domain/access.py` and beside it
gate                the answer: worked out, stored on the subscription's row, and the merchant told of a change
grants, errors      what somebody opens by hand, and takes back
"""
