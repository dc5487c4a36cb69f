"""Callbacks: early stopping, checkpoints, epoch means, console output and the progress bar."""
