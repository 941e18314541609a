"""Events from files to the topics that they belong to."""
