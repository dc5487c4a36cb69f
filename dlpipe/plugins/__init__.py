"""What is installed: entry points, their classes and their source. Only `load_class` imports a plugin's code."""
