"""Days that were promised after the order."""
