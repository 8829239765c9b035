"""Where a qualified lead is sent."""
