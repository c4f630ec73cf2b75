"""Money that goes back: refunds wherever they began, their parts at processors, their credit notes at Stripe."""
