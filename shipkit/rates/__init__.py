"""What orders would cost under a rate card. Nothing here can buy anything."""
