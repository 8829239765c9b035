"""How events arrive: applied once, in the transaction that also moves the position."""
