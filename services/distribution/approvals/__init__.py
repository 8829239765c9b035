"""That orders were approved."""
