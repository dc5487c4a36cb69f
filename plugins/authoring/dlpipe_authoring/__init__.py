"""Verbs for people who take models out of dlpipe or put new ones in."""
