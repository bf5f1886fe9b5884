"""Share a model on the Hugging Face Hub: its files, pictures of what it draws, and a model card."""
