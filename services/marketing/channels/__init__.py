"""The channel registry."""
