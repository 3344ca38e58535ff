"""What every room uses and no room owns: SQL helpers, durable files, locks, async work from sync code."""
