"""What distribution has heard of deals that closed."""
