"""Rule sets: the agreed criteria, in versions that never change once they are published."""
