"""Show and set committed offsets."""
