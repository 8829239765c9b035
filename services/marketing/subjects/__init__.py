"""The subject register: the only place of contact data."""
