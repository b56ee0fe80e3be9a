"""What several commands share: options, lists, progress."""
