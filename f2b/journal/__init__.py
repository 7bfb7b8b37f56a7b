"""The way in: one reader over sd_journal and the matches that route its entries to jails."""
