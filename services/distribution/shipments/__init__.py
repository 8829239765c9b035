"""Shipments that left and deliveries that arrived."""
