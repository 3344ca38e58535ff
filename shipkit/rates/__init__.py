"""What orders would cost under a rate card; nothing here can buy."""
