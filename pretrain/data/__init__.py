"""Prepared shards as an endless stream of batches that is a function of the seed and the step alone."""
