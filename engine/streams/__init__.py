"""Which packet belongs to which stream, and the bytes of each direction in order."""
