"""The experiments: recipes, the trainer, run records, and the commands that make them."""
