"""Files into Baton: any CSV, described by a mapping, through the bulk routes of the services."""
