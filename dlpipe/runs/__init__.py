"""A run's directory, and everything that is read from one."""
