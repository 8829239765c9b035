"""The consent ledger: grants and withdrawals, never changed."""
