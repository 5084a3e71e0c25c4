"""What runs the pages: claims, results, processes and tables."""
