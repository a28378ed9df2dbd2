"""What a run does, as values: steps are generators that yield statements and are sent results."""
