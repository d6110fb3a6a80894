"""What GitHub sends: the door that it comes in by, and a delivery's life from there on."""
