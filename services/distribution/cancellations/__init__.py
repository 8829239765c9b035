"""Quantities that will not be delivered."""
