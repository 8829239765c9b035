"""The systems that send leads, each with the zone of its days."""
