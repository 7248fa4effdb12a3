"""Packets and items on disk: written once, found by stream, gone after their time."""
