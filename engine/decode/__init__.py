"""From a batch of frames to columns: one row per packet, or a reason to drop it."""
