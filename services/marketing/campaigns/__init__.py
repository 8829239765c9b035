"""The campaign registry."""
