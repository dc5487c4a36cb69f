"""Distributed runs: launching ranks, sharding data, and checking that all ranks run the same config."""
