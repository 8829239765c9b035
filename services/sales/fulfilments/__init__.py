"""A copy of what distribution tells about the orders of a deal."""
