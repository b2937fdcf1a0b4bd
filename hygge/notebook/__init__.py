"""This is where notebooks, tests and other Python code find flows and runs."""
