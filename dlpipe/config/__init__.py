"""One composed config, and what is wrong with it."""
