"""This is where doit learns hygge's commands: one module for each."""
