"""How fast the worker is, beside others that do the same: `make bench`. README.md here says what is compared."""
