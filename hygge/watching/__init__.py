"""This is where a project is watched: a run after each change that makes something stale."""
