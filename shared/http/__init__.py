"""HTTP as all four services speak it."""
