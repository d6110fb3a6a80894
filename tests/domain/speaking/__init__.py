"""Who may speak for a repository."""
