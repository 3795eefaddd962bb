"""The small page that readers of a teaching session open on their phones: its own server, and no kernel behind it."""
