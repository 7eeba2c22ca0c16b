"""Sections of the report that any study has; a module each."""
