"""Commands that go over what was told and decided before."""
