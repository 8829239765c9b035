"""Shipments that left."""
