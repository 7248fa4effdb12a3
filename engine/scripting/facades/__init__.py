"""What a script sees beside the language: frozen objects with a few functions each, a file per name, never modules."""
