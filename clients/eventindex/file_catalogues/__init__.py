"""Lists of files that other catalogues write: their forms, and what a row of them says."""
