"""Export: a trained model as files that other programs run without this package."""
