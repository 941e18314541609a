"""Records sent to their input topics again, and decisions published again. Nothing is decided here: the lanes do."""
