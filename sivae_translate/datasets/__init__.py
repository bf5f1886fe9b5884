"""Where sets of images come from: drawn here, or published elsewhere."""
