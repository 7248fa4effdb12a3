"""Edges where packets come in: files, folders, standard input, interfaces."""
