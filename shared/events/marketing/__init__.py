"""Events that marketing publishes."""
