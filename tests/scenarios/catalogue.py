"""The numbers of the acceptance scenarios, by group."""

from __future__ import annotations

GROUPS: dict[str, tuple[str, tuple[int, ...]]] = {
    "A": ("Signup and first payment", (1, 2, 4, 5, 7, 8, 10, 11, 13, 14)),
    "B": ("Renewals", (16, 17, 19, 20, 22, 23, 25)),
    "C": ("Zero, negative, credit balance, trial, minimum", (26, 28, 29, 31, 32, 34, 35, 37, 38)),
    "D": ("Retries and dunning", (40, 41, 43, 44, 46, 47, 49, 50, 52, 53, 55, 56, 58)),
    "E": ("Asynchronous processors", (59, 61, 62, 64, 65, 67, 68, 70)),
    "F": ("Unknown outcomes", (71, 73, 74, 76, 77, 79, 80, 82, 83, 85, 86, 88, 89)),
    "G": ("Webhooks", (91, 92, 94, 95, 97, 98, 100, 101, 103, 104, 106, 107, 109, 110, 112, 113)),
    "H": ("Payment method change during dunning", (115, 116, 118, 119, 121, 122)),
    "I": ("Cancellation", (124, 125, 127, 128, 130, 131, 133, 134, 136, 137, 139)),
    "J": ("Refunds", (140, 142, 143, 145, 146, 148, 149, 151, 152, 154, 155, 157, 158, 160, 161, 163, 164)),
    "K": ("Disputes", (166, 167, 169, 170, 172, 173, 175, 176, 178)),
    "L": ("Partial and over-payments", (179, 181, 182, 184, 185)),
    "M": ("Invoice changes while a charge is in flight", (187, 188, 190, 191, 193, 194, 196)),
    "N": ("Currency and minor units", (197, 199, 200, 202, 203, 205)),
    "O": ("Taxes", (206, 208, 209)),
    "P": ("Switching between processors and Stripe", (211, 212, 214, 215, 217, 218)),
    "Q": ("Metered marketplace", (220, 221, 223, 224, 226)),
    "R": ("Several subscriptions on one customer", (227, 229, 230, 232)),
    "S": ("Concurrency", (233, 235, 236, 238, 239, 241, 242)),
    "T": ("Security", (244, 245, 247, 248, 250, 251, 253)),
}

ALL = frozenset(number for _, numbers in GROUPS.values() for number in numbers)
