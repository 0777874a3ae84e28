"""What hooks/adopt.py is made of: find out, plan, render, merge, report."""
