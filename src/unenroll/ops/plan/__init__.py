"""Plan many requests, and apply the plan."""
