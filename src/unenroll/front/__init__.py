"""The front door: the calls over HTTP as their callers know them. Nothing of it is imported by the worker."""
