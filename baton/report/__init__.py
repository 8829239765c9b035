"""Figures from the measures of the services, joined by id."""
