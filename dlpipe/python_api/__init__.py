"""Train and use runs and sweeps from Python and notebooks, with the checks, files and messages of the command line."""
