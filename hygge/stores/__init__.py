"""This is where data settles: one module for each kind that can be written."""
