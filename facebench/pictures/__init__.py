"""Pictures of results: drawn on the processor, without a display."""
