"""The pages of results of a family of models, made from JSON files so that no number is typed."""
