"""Database -> tidy frames. What is damaged or another program's is told apart here."""
