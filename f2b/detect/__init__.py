"""From an entry to a failure, or to nothing. Pure: the same entries always give the same failures."""
