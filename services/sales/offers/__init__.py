"""Leads that sales is asked to take, and its answers."""
