"""Where metrics go: `csv` is the record, `wandb` the view."""
