"""Files of events and of expectations, read and written."""
