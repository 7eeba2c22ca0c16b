"""The answers: a folder a question, named as in `search_spaces`, and the chapter's own runs."""
