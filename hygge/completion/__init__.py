"""This is where a shell is answered what the word that is being typed can become.

It is asked with every press of a key, so nothing here imports doit, polars or what reads YAML.
"""
