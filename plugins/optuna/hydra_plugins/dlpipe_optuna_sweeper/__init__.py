"""The sweeper, where Hydra looks for it; it executes these modules at every start, so they import little."""
