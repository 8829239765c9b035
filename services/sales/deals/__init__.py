"""How opportunities end: deals, won or lost."""
