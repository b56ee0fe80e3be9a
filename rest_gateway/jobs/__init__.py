"""Jobs: their tables, chunks and the thread that looks them up."""
