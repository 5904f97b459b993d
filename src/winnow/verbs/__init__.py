"""What a user asks of a study, a module a verb."""
