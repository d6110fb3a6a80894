"""A week of deliveries to look at, and what builds deliveries like GitHub's."""
