"""What measures a trained image run stage by stage."""
