"""Accounts, their connections, webhook endpoints and API keys: added, changed, checked, and applied from a file.

Every change is made by an `Author` and leaves a row in the audit log in its own transaction, with what was before and
after and never a secret. Secrets come in as `Secret`, are encrypted in their column, and never come out again: not in
a view, an error, the audit log or a repr. The command line, the API and `apply` use nothing but these functions.
`stripe_key` asks Stripe whose a key is, so that no account collects another's invoices.
"""
