"""What one client of a server may use: rates, shares, deadlines and the count of what was refused."""
