"""What a model is for: evaluate, generate, compare, each over the interface alone."""
