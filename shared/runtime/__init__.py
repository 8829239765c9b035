"""How a service runs: settings, roles, start, supervision and end."""
