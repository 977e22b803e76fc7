"""Evaluators; one file a task, registered by its `EVALUATOR`."""
