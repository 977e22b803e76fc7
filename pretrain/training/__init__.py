"""The training of any method: one process or many, stopped and gone on, watched, and exported at the end."""
