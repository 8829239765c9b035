"""Marketing: it captures leads, keeps contact data and consent, and knows how far every lead has come."""
