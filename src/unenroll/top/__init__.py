"""How the worker is doing, looked at again and again: on a terminal, or line after line."""
