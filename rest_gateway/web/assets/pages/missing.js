// The page that stands where there is none: it has nothing to ask.
