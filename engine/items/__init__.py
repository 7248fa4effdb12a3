"""Messages paired into items, the objects that scripts and filters see."""
