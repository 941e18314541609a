"""The lane protocol as a model, and a search through everything that can happen to it."""
