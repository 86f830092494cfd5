"""Pages and pictures for people. Reads run folders and never a test metric to choose anything."""
