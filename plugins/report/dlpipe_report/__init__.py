"""Verbs that show and compare runs."""
