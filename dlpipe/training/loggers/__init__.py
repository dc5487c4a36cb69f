"""Where metrics go: `csv` is the durable record, which every run has; the others show it."""
