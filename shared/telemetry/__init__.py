"""What operators see: JSON logs, metrics, health."""
