"""What stands in the rooms; every function draws one object or one ensemble."""
