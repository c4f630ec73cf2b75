"""Who is called so, and whose mail address this is: by what Stripe said of their invoices, without asking it.

A name is found by how its words begin, each word that was typed being the beginning of one of them.
"""

from __future__ import annotations

from typing import Final

from db import sql
from gateway.billing.mails import mail_hash
from gateway.domain.name_words import sought_in

# By itself, so that it costs as much as words begin so: in the order of customers all of them would be walked through.
WORD: Final = """
    (select customer from tollbridge.customer_word where account = $1 and word >= ${0} and word < ${1} offset 0)
"""
MAIL: Final = """
    select distinct customer from tollbridge.invoice
    where account = $1 and mail_hash = $2 and customer <> '' order by customer limit $3
"""
LAST: Final = "\U0010ffff"
"""Behind every letter."""


async def called(account: str, typed: str, *, limit: int, starting_after: str = "") -> list[str]:
    """The ids of customers with such a name, in their order; none where nothing of it can be a name."""
    begun = sought_in(typed)
    if not begun:
        return []
    bounds = [bound for word in begun for bound in (word, word + LAST)]
    words = " intersect ".join(WORD.format(4 + 2 * n, 5 + 2 * n) for n in range(len(begun)))
    wanted = f"select distinct customer from ({words}) w where customer > $2 order by customer limit $3"  # noqa: S608 (constants of ours)
    return [row["customer"] for row in await sql.rows(wanted, account, starting_after, limit, *bounds)]


async def with_mail(account: str, mail: str, *, limit: int) -> list[str]:
    """The ids of customers with an invoice that shows just this mail address."""
    return [row["customer"] for row in await sql.rows(MAIL, account, mail_hash(account, mail), limit)]
