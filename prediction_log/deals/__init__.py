"""What the stored predictions say of deals."""
