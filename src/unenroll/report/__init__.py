"""Reports at the end of a command: one sheet, as text for a terminal, as JSON, and as a page to send around."""
