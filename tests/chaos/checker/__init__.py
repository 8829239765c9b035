"""Judges Baton from outside: writes, notes what it was told, and compares that with every database and topic."""
