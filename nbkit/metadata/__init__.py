"""What stands in picture files beside the picture: read, and added without touching a pixel."""
