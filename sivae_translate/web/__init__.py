"""The web page: a translator in the browser."""
