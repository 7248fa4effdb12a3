"""The contract between Remora and those who extend it. Imports nothing from ``engine``."""
