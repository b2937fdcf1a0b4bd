"""This is where data comes from: one module for each kind that can be read."""
