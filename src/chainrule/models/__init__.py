"""What a state can be: nothing, the last n-1 tokens, the last tau, a learned vector."""
