"""How the utm_medium of the outside maps to a medium."""
