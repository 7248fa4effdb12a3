"""The process around a script: what the kernel takes away from it, layer by layer. ``docs/security.md`` says why."""
