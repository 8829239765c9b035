"""What all four services share: three layers (pure, data, edge), a closed list of names."""
