"""How much of a backbone may learn."""
