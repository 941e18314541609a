"""A customer erased on request: gone from the tables, and not brought back by what topics still hold."""
