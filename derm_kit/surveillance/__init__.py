"""What happens in service: cases and outcomes over time, and signals with known false-alarm rates. No register."""
