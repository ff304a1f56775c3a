"""The report of a family of models: from JSON files to Markdown, with no figure typed by hand."""
