"""What every object's turn is made of: taking and letting go, a call to a processor, a case for a human."""
