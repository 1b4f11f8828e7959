"""What readings mean: consumption of intervals and days, and the line loss of an area. Pure arithmetic."""
