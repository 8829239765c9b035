"""The handoff service: whether a lead goes to sales, where to, and why."""
