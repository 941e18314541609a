"""Dead letters: looked at, put back on their topics exactly once each, or parked."""
