"""From a composed config to trained weights."""
