"""Crops, similarity transforms and distances to surfaces."""
