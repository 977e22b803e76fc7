"""A third party's backbone, data set and evaluator."""
