"""Lists of (run, event) pairs as people have them: lines, columns, encodings, tables."""
