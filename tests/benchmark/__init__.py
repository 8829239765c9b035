"""What Baton costs: start, throughput, a lead's way, memory. Prints tables, never fails on a clock."""
