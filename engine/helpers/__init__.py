"""The broker's half of what a script may call: one file per name the script sees."""
