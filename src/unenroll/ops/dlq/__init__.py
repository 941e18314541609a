"""List, redrive and park dead letters."""
