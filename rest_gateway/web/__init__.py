"""The web page: templates, scripts, texts."""
