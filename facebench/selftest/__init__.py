"""Is this installation's arithmetic right? Made faces, predictions whose scores are known by hand, and the difference.

Everything goes the way of a real evaluation: faces are drawn and written in the official layouts, the loaders read
them, the evaluators measure. What the scores should be is worked out beside them in plain Python, from the definitions
in the papers and not from the metric modules.
"""
