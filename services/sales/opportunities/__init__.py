"""Opportunities and their stages."""
