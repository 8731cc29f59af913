"""Flat lists of named choices: costs in a table, or a user's own closed form with a network behind it."""
