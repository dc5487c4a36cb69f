"""Compose, check and prepare the config of a run."""
