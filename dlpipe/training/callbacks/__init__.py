"""What happens around training: patience, checkpoints, means, the report and the progress bar."""
