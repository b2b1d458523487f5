"""The audit of a competition's data: what the files hold, which images are copies, and whether the labels agree."""
