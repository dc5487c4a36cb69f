"""The verb new: a plugin that trains and passes its tests, from a template."""
