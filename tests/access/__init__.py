"""Who gets in: tokens of all kinds at every door."""
