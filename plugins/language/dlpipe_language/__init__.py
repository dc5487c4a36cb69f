"""Recurrent networks that fill slots in sentences and judge reviews."""
