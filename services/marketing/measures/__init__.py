"""Figures, read only."""
