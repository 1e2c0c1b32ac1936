"""Who may use the server: its named API keys and the ephemeral keys made with them."""
