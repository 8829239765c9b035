"""What Baton promises of its events, shown on the real code and shown to be missed by code that is broken on purpose."""
