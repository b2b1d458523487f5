"""What each image holds, and which images show the same: copies, further shots of a scene, tiles that overlap."""
