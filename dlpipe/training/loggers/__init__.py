"""Where metrics go: `csv` is the durable record, `wandb` the dashboard."""
