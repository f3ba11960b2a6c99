"""What a console means."""
