"""Published results: from runs to docs/results/*.json, and from these to the page docs/results.md."""
