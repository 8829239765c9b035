"""The data layer's ground: tables of the kernel, the transaction, and how things are saved."""
