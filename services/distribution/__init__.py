"""Distribution: orders of won deals, and their way to the customer."""
