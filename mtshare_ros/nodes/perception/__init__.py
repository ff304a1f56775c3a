"""The perception node: images in, maps out, what is shared and how it goes on the way."""
