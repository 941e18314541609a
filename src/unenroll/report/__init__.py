"""Reports at the end of a command: one sheet, as text for a terminal, and as JSON."""
