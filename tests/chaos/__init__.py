"""Breaks a running Baton on purpose, under load, and has a program of its own judge what is left."""
