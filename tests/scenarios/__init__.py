"""The acceptance scenarios, one test a number; `scripts/test scenarios` tells which pass, fail, or have no test yet."""
