"""The video camera: recorded videos and folders of images as a camera."""
