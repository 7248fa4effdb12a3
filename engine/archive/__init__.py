"""Recordings as sources: which batches there are, which of them can match, their items and their packets."""
