"""From images to training samples: what is drawn, cropped, augmented and cached."""
