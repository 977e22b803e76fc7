"""From two results to a decision: which is better, by how much, and may the candidate go in."""
