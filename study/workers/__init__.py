"""The processes that train trials: on this machine or with Ray, and what they will cost."""
