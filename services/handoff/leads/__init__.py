"""The leads that handoff was told of: facts, never fields that are overwritten."""
