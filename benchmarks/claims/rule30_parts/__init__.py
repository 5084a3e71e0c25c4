"""Rule 30 turned round: what makes rows of cells, checks them, and shows them to the players."""
