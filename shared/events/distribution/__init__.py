"""Events that distribution publishes."""
