"""This is where partitions are shaped in processes of their own, which may hang or crash alone."""
