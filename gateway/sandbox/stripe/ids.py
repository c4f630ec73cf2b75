"""Made-up ids, as long as Stripe's. Never repeated over restarts: a client's database may outlive us."""

from __future__ import annotations

import hashlib
import random
import string

ALPHABET = string.ascii_letters + string.digits
LENGTHS = {
    "cus": 14, "prod": 14, "si": 14, "req": 14, "whsec": 32, "promo": 24, "coupon": 8,
}  # fmt: skip
_dice = random.Random()


def new_id(prefix: str) -> str:
    """``in_1…`` with 24 characters after the prefix unless Stripe's are known to be shorter."""
    length = LENGTHS.get(prefix, 24)
    lead = "1" if length == 24 else ""
    return f"{prefix}_{lead}" + "".join(_dice.choices(ALPHABET, k=length - len(lead)))


def account_id(key: str) -> str:
    """The account behind a key: the same one for ever."""
    digest = int(hashlib.sha256(key.encode()).hexdigest(), 16)
    letters = []
    for _ in range(15):
        digest, at = divmod(digest, len(ALPHABET))
        letters.append(ALPHABET[at])
    return "acct_1" + "".join(letters)
