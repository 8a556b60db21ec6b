"""Personal data masked by their form and by what stands before them."""
