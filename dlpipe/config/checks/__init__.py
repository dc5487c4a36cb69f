"""Checks before a run: `config_checks` imports neither torch nor plugins, the others import the chosen classes."""
