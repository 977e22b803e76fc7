"""Backbone sources; one file each, registered by its `BACKBONE`."""
