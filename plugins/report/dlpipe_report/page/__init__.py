"""The report of runs, or of a sweep: one HTML file that needs no network."""
