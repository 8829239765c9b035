"""Figures of distribution over every table, read only."""
