"""The Boltzmann machines of the tutorials: restricted Boltzmann machine, deep belief network."""
