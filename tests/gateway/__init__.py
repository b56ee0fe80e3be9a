"""The REST API, jobs and the web page."""
