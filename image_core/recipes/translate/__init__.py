"""Pictures from pictures: two domains, and systems that learn to go between them."""
