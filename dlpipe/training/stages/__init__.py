"""The stages of a model: their configs, data, initial weights and training."""
