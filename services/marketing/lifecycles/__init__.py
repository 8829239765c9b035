"""How far a lead has come, folded from what the other services tell."""
