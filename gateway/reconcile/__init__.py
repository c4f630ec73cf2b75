"""What webhooks did not bring: Stripe's lists are walked from time to time, and whatever is new or differs is poked.
What a processor tells only to whoever asks is taken in alike.

Events that Stripe could not deliver are taken into the inbox like webhooks (docs: webhooks). Stripe keeps events for
30 days, so what is open there is listed as well, and compared with our rows.
"""
