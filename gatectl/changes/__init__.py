"""What differs between two generations, and what that does to those who use the gateway. Pure."""
