"""Data sets of images: drawn by the package, or published elsewhere."""
