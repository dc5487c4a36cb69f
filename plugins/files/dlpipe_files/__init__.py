"""Your own pictures, tables and idx files as datasets of dlpipe."""
