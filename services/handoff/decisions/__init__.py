"""Decisions about leads, each with the trace that explains it."""
