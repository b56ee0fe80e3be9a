"""The page: its format, how it is copied, stored, checked, merged and emptied."""
