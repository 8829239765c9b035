"""Figures of sales over every table, read only."""
