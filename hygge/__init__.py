"""This is where the package says its version; everything else is imported from where it lives."""

__version__ = "0.1.0"
