"""Deliveries that arrived and services that were performed."""
