"""The engine: from packets on the wire to recordings that arrived."""
