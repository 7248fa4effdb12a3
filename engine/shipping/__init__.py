"""From the outbox to a destination, verified."""
