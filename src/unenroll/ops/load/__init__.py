"""Load definitions and facts from files into Postgres."""
