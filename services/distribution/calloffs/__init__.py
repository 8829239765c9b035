"""Orders that are called off under a blanket deal, and orders that follow their deal: how both come to be."""
