"""Explain an account: its cycles, stays, facts, rewards and published events, with a reason for each."""
