"""How a trial is run and recorded."""
