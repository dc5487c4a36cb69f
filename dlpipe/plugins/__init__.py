"""What is installed: entry points, their classes and their source. No plugin's code is imported but in `load_class`."""
