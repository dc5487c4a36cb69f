"""Recurrent networks for slot filling and sentiment analysis, and their datasets."""
