"""Small heads that turn features into predictions."""
