"""What customers have used: accepted from the merchant durably and at once, and sent on to Stripe's meters, each once.

`accept` stores what is reported; the account's stream, an object of `advance`, sends it (`send`); what Stripe does not
count after all comes back as a case (`refused`). `meters` knows the meters without asking for each event.
"""
