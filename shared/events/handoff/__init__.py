"""Events that handoff publishes."""
