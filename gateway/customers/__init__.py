"""Customers: the payment methods that they give and keep, where they are taxed, and what becomes of their data.

A payment-method session is an object of `advance`, like a checkout: the API stores an intent and pokes, and the worker
asks the processor and stores the method, so that a second click, a closed window and a worker that dies all come to the
same end. So is a stored method: revoking it is an intent on its row, which its upkeep carries out when it may.

    method_sessions, session_advance    the session: what the API does with it, and what the worker does
    stripe_sessions                     the same where Stripe itself keeps the method, and collects with it
    setups                              set-ups at processors, shared with checkouts
    methods, upkeep, by_hand            stored methods: storing, revoking and telling Stripe, what staff and servers do
    taking_over                         tokens from another system
    standing                            methods that their processor can't charge for now
    ended                               telling the merchant of a method that its payer has ended
    erase, personal                     erasing a person's data on request; what each table holds, and why it stays
    customer                            its own row: whether it is left alone, and how what it is sent is collected
    vault                               tokens that several connections hold, and their deletion by the last of them
    offers                              which processors a payer may choose
    tax_location, locations             where a customer is taxed, told to Stripe
    client_secret                       the secrets that open sessions of either kind
    organization_tokens, organization_links
                                        what opens an organization's view of its own invoices, and where that leads
"""
