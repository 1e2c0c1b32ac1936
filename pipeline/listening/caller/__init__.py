"""Whose speech it is: the caller's, or that of somebody behind them."""
