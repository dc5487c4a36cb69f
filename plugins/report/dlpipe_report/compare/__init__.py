"""Runs side by side on the terminal."""
