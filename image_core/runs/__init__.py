"""What every recipe shares: its folder, its phases, its options, playing it and showing it."""
