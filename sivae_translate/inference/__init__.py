"""Using a trained model: images, folders, edits, searches and thresholds."""
