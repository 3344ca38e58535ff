"""A job and its books: approved, stored, run, reconciled, recovered."""
