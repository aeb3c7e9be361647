"""The only home of a formula: activations, costs, pairs, update rules, schedules, penalties, initializers."""
