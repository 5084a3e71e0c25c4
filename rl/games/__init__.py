"""Games with environments: reward given (`control`), or learned from demonstrations."""
