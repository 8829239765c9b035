"""Sales: takes leads, works opportunities, closes deals."""
