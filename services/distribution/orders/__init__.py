"""Orders, their lines, promises and cancellations."""
