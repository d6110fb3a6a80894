"""The rules, once, whoever asks: what links to what, which state wins, what the feed says."""
