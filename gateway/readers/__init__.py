"""What is shown of our rows: for each noun its fields, and the statements that find it. For programs and for people.

`upcoming` alone asks Stripe too: of an invoice that does not exist yet there is no row.
"""
