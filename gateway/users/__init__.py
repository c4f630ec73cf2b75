"""People who use the console: who they are, what they may do in which account, how they sign in."""
