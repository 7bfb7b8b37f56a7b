"""What the admin types and sees."""
