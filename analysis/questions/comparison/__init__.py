"""Answers by how much given configurations differ, where there was no search."""
