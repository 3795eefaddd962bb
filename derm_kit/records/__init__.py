"""What people did and signed: the register, its audit log, and what stands in them."""
