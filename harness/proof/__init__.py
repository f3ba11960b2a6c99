"""What shows that the series works, besides the lanes."""
