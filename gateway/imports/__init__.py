"""Moving to us: customers and subscriptions that live at Stripe, with tokens that live at a processor, are adopted.

Nothing happens before it is asked for (a dry run says what would), and every row may be applied again: what is stored
is left as it is. The two things to be afraid of are a charge that the integration before us has begun on an invoice
which is open, and an invoice that it would still charge. So what is open or a draft when a customer comes to us is
left alone, unless its day says that it is ours (`--collect-from`).

    rows, csv_file, metadata    what is to be adopted: a line of a file, or a customer's metadata at Stripe
    at_stripe, judging          what Stripe shows of a customer, and what speaks against a row
    adopting                    one customer, from the question at Stripe to the stored method
    run                         all of them: some at once, at the pace that Stripe and processors allow
"""
