"""What people ask for by hand: collect an invoice now, or take note of a payment that came without a processor."""
