"""Bytes in, messages out: one file per protocol."""
