"""The published language: every event of the four services, one module per aggregate under its producer."""
