"""The stages of a model: their configs, what they start from, and their training."""
