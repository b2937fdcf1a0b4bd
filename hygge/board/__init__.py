"""This is where the board is made: one HTML file that shows a whole project."""
