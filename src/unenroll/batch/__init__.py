"""A batch of records, from bytes to decisions kept: read, gather, decide, save. The only place that knows all steps."""
