"""What sales knows of a lead: that it exists, and the latest decision about it."""
