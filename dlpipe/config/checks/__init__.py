"""Two passes of checks before a run: `light` without torch, `full` with the chosen classes imported."""
