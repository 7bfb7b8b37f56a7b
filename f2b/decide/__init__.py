"""From failures to bans. Pure and synchronous: callers pass now, and store and enforce what comes back."""
