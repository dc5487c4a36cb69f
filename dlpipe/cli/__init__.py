"""The command line: flags, verbs, and the task that Hydra calls."""
