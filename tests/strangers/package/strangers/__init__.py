"""Six models for dlpipe."""
