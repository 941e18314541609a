"""Who may come in, how much of it, and in which shape. Whatever is unclear is refused."""
