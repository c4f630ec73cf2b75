"""The books: the ledger against processors' settlement files and against Stripe, and what accountants are given of it.

Movements are the only source of sums. A comparison changes nothing but what it says itself: what may mend a break only
asks, or pokes what then decides by itself.
"""
