"""Messages between processes: msgpack, strict schemas, capped sizes. ``docs/formats.md`` draws the layouts."""
