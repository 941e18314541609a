"""Cells: several databases that share the lanes of a group, and lanes that move from one to another."""
