"""Published metrics as pure functions: arrays in, numbers out."""
