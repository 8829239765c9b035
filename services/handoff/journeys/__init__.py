"""The ledger of every lead, from its capture to the last delivery."""
