"""Several processes, one run: who starts them, what each trains on, and how they prove to be one run."""
