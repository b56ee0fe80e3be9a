"""A batch: cut into transactions, merged into pages, written with its runs, files and conflicts."""
