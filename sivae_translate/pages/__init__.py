"""What HTML pages share: the base template and its style, pictures inside a page, line charts, tables."""
