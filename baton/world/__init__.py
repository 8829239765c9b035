"""A market of our own making: what a season of leads, talks, deals and deliveries looks like."""
