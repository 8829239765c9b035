"""Events that sales publishes."""
