"""What people ask for by hand: collect an invoice now, take note of a payment that came without a processor, pause."""
