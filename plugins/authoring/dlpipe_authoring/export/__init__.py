"""The verb export: a run's model in one file that needs no dlpipe."""
